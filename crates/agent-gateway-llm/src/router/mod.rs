//! Picks the provider by the model's name, in LiteLLM's form `provider/model` or as a bare well-known name.
mod build;
mod cooldown;
mod name;
mod native;
mod place;
mod providers;
mod source;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    capability::ModelCapability,
    id::ModelName,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
};
use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};

pub use build::{Credential, ProviderSummary, RouterBuilder, RouterSummary};
pub use cooldown::Cooldown;
pub use native::{NativeHttp, NativeProvider};
pub use providers::provider_variable;

use cooldown::{Permit, Rests};

use crate::Prices;

/// All providers behind one port.
///
/// The first `/` of a model's name ends the provider; the rest goes to it as it stands. A provider that lacks its key is an
/// error of the call that wants it, not of the start: see [`check`](Self::check).
#[derive(Clone, Debug)]
pub struct Router {
    providers: Arc<BTreeMap<String, Provider>>,
    prices: Arc<Prices>,
    /// Where `openai` is when it is not at home: a model without a provider was probably meant for that server.
    openai_elsewhere: Option<String>,
    /// Who failed too often of late.
    rests: Arc<Rests>,
}

/// A provider that can be asked, or why it cannot.
#[derive(Clone, Debug)]
enum Provider {
    Ready(Arc<dyn LanguageModel>),
    Unusable(String),
}

/// Where a model's name leads.
struct Route<'a> {
    provider: &'a str,
    /// The model as its provider calls it.
    model: ModelName,
}

impl Router {
    /// Adds a provider that the application made, or replaces one, under the name that stands before the `/`.
    #[must_use]
    pub fn with_provider(mut self, name: impl Into<String>, model: Arc<dyn LanguageModel>) -> Self {
        Arc::make_mut(&mut self.providers).insert(name.into(), Provider::Ready(model));
        self
    }

    /// Whether `model` could be asked, as far as that can be told without a network.
    ///
    /// # Errors
    /// `Misconfigured`, with a sentence that says what to set or to write.
    pub fn check(&self, model: &ModelName) -> Result<()> {
        let route = self.route(model)?;
        self.provider(&route).map(drop).map_err(|error| error.with("model", model))
    }

    fn provider(&self, route: &Route<'_>) -> Result<&Arc<dyn LanguageModel>> {
        match self.providers.get(route.provider) {
            Some(Provider::Ready(provider)) => Ok(provider),
            Some(Provider::Unusable(why)) => Err(Error::misconfigured(why.clone()).during("model.route")),
            None => Err(Error::misconfigured(format!("there is no model provider {}", route.provider))
                .during("model.route")),
        }
    }
}

#[async_trait]
impl LanguageModel for Router {
    /// The price is the operator's, the embedded table's, or the provider's own, in this order. A name that leads nowhere,
    /// such as one that a provider reported, is looked up as it stands.
    fn capability(&self, model: &ModelName) -> ModelCapability {
        let Ok(route) = self.route(model) else {
            let unknown = ModelCapability::new("unknown");
            return match self.prices.of_name(model.as_str()) {
                Some(price) => unknown.priced(price),
                None => unknown,
            };
        };
        let own = self.provider(&route).ok().map(|provider| provider.capability(&route.model));
        let structured = own.as_ref().map(|own| own.structured_output).unwrap_or_default();
        let price =
            self.prices.of(route.provider, route.model.as_str()).or_else(|| own.and_then(|own| own.price));
        let capability = ModelCapability::new(route.provider.to_owned()).structured(structured);
        match price {
            Some(price) => capability.priced(price),
            None => capability,
        }
    }

    async fn stream(&self, mut request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let route = self.route(&request.model)?;
        let provider = self.provider(&route).map_err(|error| error.with("model", &request.model))?.clone();
        let permit = self.rests.ask(route.provider, &route.model)?;
        request.model = route.model;
        match provider.stream(request).await {
            Ok(events) => Ok(watched(events, permit)),
            Err(error) => {
                permit.failed(&error);
                Err(error)
            }
        }
    }
}

/// The same events; how they end is told.
fn watched(
    events: BoxStream<'static, Result<ModelEvent>>,
    permit: Permit,
) -> BoxStream<'static, Result<ModelEvent>> {
    stream::unfold((events, Some(permit)), |(mut events, mut permit)| async move {
        let event = events.next().await?;
        match &event {
            Ok(ModelEvent::Finished { .. }) => permit.take().into_iter().for_each(Permit::succeeded),
            Ok(_) => {}
            Err(error) => permit.take().into_iter().for_each(|permit| permit.failed(error)),
        }
        Some((event, (events, permit)))
    })
    .boxed()
}
