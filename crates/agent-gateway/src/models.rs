//! Who answers: the router, with whoever speaks the wires that it does not speak itself.
use agent_gateway_llm::router::RouterBuilder;

/// A router that reaches every provider of this build.
pub(crate) fn router() -> RouterBuilder {
    let builder = RouterBuilder::default();
    #[cfg(feature = "genai")]
    let builder = builder.native(native::model);
    builder
}

#[cfg(feature = "genai")]
mod native {
    use std::sync::Arc;

    use agent_gateway_core::{Error, Result, config::ProviderApi, ports::model::LanguageModel};
    use agent_gateway_genai::{Api, GenAi, GenAiConfig, Limits};
    use agent_gateway_llm::NativeProvider;

    pub(super) fn model(provider: NativeProvider) -> Result<Arc<dyn LanguageModel>> {
        let NativeProvider { name, base_url, api_key, key_place, timeouts, retries, http, .. } = provider;
        let api = match provider.api {
            ProviderApi::Anthropic => Api::Anthropic,
            ProviderApi::Gemini => Api::Gemini,
            ProviderApi::Vertex => Api::Vertex,
            ProviderApi::Bedrock => Api::Bedrock,
            ProviderApi::Ollama => Api::Ollama,
            other => {
                let word = other.word();
                return Err(Error::misconfigured(format!("nobody in this build speaks {word} to {name}")));
            }
        };
        let limits = Limits {
            first_byte: timeouts.first_byte,
            idle: timeouts.idle,
            total: timeouts.total,
            attempts: retries.attempts,
            first_pause: retries.first_pause,
            longest_pause: retries.longest_pause,
            longest_wait: retries.longest_wait,
        };
        let config = GenAiConfig::new(name, api, base_url).key_place(key_place).limits(limits);
        let config = match api_key {
            Some(key) => config.api_key(key),
            None => config,
        };
        Ok(Arc::new(GenAi::new(config, move || http.client())?))
    }
}
