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

#[cfg(all(test, feature = "genai"))]
mod tests {
    use agent_gateway_core::{
        config::ModelConfig,
        id::ModelName,
        message::Message,
        ports::model::{ModelExt, ModelRequest},
        vars::MapVars,
    };
    use agent_gateway_testkit::model_server::{ModelServer, Reply};

    const MESSAGE: &str = concat!(
        "event: message_start\ndata: {\"message\": {\"model\": \"claude-x-1\", \"usage\": {\"input_tokens\": 3}}}\n\n",
        "event: content_block_start\ndata: {\"index\": 0, \"content_block\": {\"type\": \"text\", \"text\": \"\"}}\n\n",
        "event: content_block_delta\ndata: {\"index\": 0, \"delta\": {\"type\": \"text_delta\", \"text\": \"hello\"}}\n\n",
        "event: content_block_stop\ndata: {\"index\": 0}\n\n",
        "event: message_delta\ndata: {\"delta\": {\"stop_reason\": \"end_turn\"}, \"usage\": {\"output_tokens\": 1}}\n\n",
        "event: message_stop\ndata: {\"type\": \"message_stop\"}\n\n",
    );

    #[tokio::test]
    async fn a_bare_claude_is_asked_in_the_form_of_its_own() {
        let server = ModelServer::start().await;
        server.any_path().reply(Reply::pieces("text/event-stream", [MESSAGE]));
        let origin = server.origin();
        let vars: MapVars = [("ANTHROPIC_API_KEY", "sk-test-key"), ("ANTHROPIC_BASE_URL", origin.as_str())]
            .into_iter()
            .collect();
        let (router, _) = super::router().build(&ModelConfig::default(), &vars).unwrap();
        let mut request = ModelRequest::new(ModelName::new("claude-x").unwrap(), vec![Message::user("hi")]);
        request.max_tokens = Some(50);
        let answer = router.complete(request).await.unwrap();
        assert_eq!((&*answer.text, answer.model.as_str()), ("hello", "claude-x-1"));
        let asked = &server.requests()[0];
        assert_eq!((asked.path.as_str(), asked.header("x-api-key")), ("/v1/messages", Some("sk-test-key")));
        assert_eq!(asked.body["model"], "claude-x");
    }
}
