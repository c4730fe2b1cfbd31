//! Another model for when the first one fails.
use std::sync::Arc;

use agent_gateway_core::{
    Error, ErrorKind, Result,
    capability::ModelCapability,
    id::ModelName,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
};
use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};

type Events = BoxStream<'static, Result<ModelEvent>>;

/// A model that asks `to` when the one asked for failed before it said anything.
///
/// It wraps any model, so that two agents with the same model can each have a fallback of their own.
#[derive(Clone, Debug)]
pub struct Fallback {
    inner: Arc<dyn LanguageModel>,
    to: ModelName,
}

impl Fallback {
    /// Asks `inner`, and then `inner` again for the model `to`.
    #[must_use]
    pub fn new(inner: Arc<dyn LanguageModel>, to: ModelName) -> Self {
        Self { inner, to }
    }
}

#[async_trait]
impl LanguageModel for Fallback {
    fn capability(&self, model: &ModelName) -> ModelCapability {
        self.inner.capability(model)
    }

    async fn stream(&self, request: ModelRequest) -> Result<Events> {
        first_or_second(&*self.inner, &*self.inner, request, &self.to).await
    }
}

/// Asks `first`; when that fails before its first event, asks `second` for the model `to`.
pub(crate) async fn first_or_second(
    first: &dyn LanguageModel,
    second: &dyn LanguageModel,
    request: ModelRequest,
    to: &ModelName,
) -> Result<Events> {
    if request.model == *to {
        return first.stream(request).await;
    }
    let mut again = request.clone();
    again.model = to.clone();
    let error = match begin(first, request).await {
        Ok(events) => return Ok(events),
        Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
        Err(error) => error,
    };
    tracing::warn!(model = %to, %error, "the model failed; its fallback is asked");
    // The first failure is the one to mend, so it is the one reported.
    begin(second, again)
        .await
        .map_err(|other| error.with("fallback", to).with("fallback failed", other.message()))
}

/// Asks, and waits for the first event, so that what fails before it fails here.
async fn begin(model: &dyn LanguageModel, request: ModelRequest) -> Result<Events> {
    let mut events = model.stream(request).await?;
    match events.next().await {
        Some(first) => Ok(stream::once(std::future::ready(Ok(first?))).chain(events).boxed()),
        None => Err(Error::unavailable("the model's answer was cut off before its end")),
    }
}
