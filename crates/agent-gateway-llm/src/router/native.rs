//! The seam for providers that speak a wire of their own: somebody else makes their models.
use std::{fmt, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    capability::ModelCapability,
    config::ProviderApi,
    id::ModelName,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
    secret::Secret,
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use reqwest::Client;
use url::Url;

use crate::{HttpPool, Retries, Timeouts, models};

/// What the maker of a model is told of its provider.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NativeProvider {
    /// What stands before the `/` of its models.
    pub name: String,
    /// The wire: neither `openai` nor `azure`.
    pub api: ProviderApi,
    /// Where it is.
    pub base_url: String,
    /// Its key.
    pub api_key: Option<Secret>,
    /// Where the operator sets the key, for errors about it.
    pub key_place: String,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// How often it is made again.
    pub retries: Retries,
    /// Its connections.
    pub http: NativeHttp,
}

/// The connections of one provider, from the pool that all share.
#[derive(Clone, Debug)]
pub struct NativeHttp {
    pub(super) pool: HttpPool,
    pub(super) url: Option<Url>,
}

impl NativeHttp {
    /// The client. It follows no redirects and takes no compressed answers; certificates are read when it is first asked for.
    ///
    /// # Errors
    /// `Misconfigured` when the base URL is none, or the client cannot be set up.
    pub fn client(&self) -> Result<Client> {
        match &self.url {
            Some(url) => self.pool.unpacked(url),
            None => Err(Error::misconfigured("the base URL of a model provider is no URL")),
        }
    }
}

/// Makes the models of providers that speak a wire of their own.
#[derive(Clone)]
pub(super) struct Maker(
    pub(super) Arc<dyn Fn(NativeProvider) -> Result<Arc<dyn LanguageModel>> + Send + Sync>,
);

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker")
    }
}

/// A model that is asked for no more tokens than it can write: providers refuse a request for more.
#[derive(Debug)]
pub(super) struct Capped {
    pub(super) provider: String,
    pub(super) model: Arc<dyn LanguageModel>,
}

#[async_trait]
impl LanguageModel for Capped {
    fn capability(&self, model: &ModelName) -> ModelCapability {
        self.model.capability(model)
    }

    async fn stream(&self, mut request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let limit = models::max_output(&self.provider, request.model.as_str());
        if let (Some(wanted), Some(limit)) = (request.max_tokens, limit) {
            request.max_tokens = Some(wanted.min(limit));
        }
        self.model.stream(request).await
    }
}
