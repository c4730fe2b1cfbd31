//! Which wire, where, and with which key.
use agent_gateway_core::secret::Secret;

use crate::Limits;

/// The wire that a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Api {
    /// Anthropic's Messages, `<base>/messages`. The key goes into `x-api-key`.
    Anthropic,
    /// Google's Gemini API, `<base>/models/<model>:streamGenerateContent`. The key goes into `x-goog-api-key`.
    Gemini,
    /// Google's Vertex AI, for models whose names begin with `gemini` or `claude`. The key is an access token.
    Vertex,
    /// Amazon Bedrock's Converse, `<base>/model/<model>/converse-stream`. The key is a Bedrock API key.
    Bedrock,
    /// Ollama's own API, `<base>/api/chat`. A key goes into `Authorization`.
    Ollama,
}

/// Where a provider is, and how it is asked.
#[derive(Clone, Debug)]
#[must_use]
pub struct GenAiConfig {
    pub(crate) provider: String,
    pub(crate) api: Api,
    pub(crate) base_url: String,
    pub(crate) api_key: Option<Secret>,
    pub(crate) key_place: String,
    pub(crate) limits: Limits,
}

impl GenAiConfig {
    /// The provider `provider`, which speaks `api` at `base_url`, such as `https://api.anthropic.com/v1`, without a key.
    pub fn new(provider: impl Into<String>, api: Api, base_url: impl Into<String>) -> Self {
        Self {
            provider: provider.into(),
            api,
            base_url: base_url.into(),
            api_key: None,
            key_place: String::new(),
            limits: Limits::default(),
        }
    }

    /// Sends the key, in the header that the wire wants.
    pub fn api_key(mut self, key: Secret) -> Self {
        self.api_key = Some(key);
        self
    }

    /// Says where the operator sets the key, such as a variable's name. An error about the key names it.
    pub fn key_place(mut self, place: impl Into<String>) -> Self {
        self.key_place = place.into();
        self
    }

    /// Replaces the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }
}
