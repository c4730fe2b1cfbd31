//! Answers that the provider holds to a JSON Schema.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use std::sync::Arc;

use agent_gateway_core::{
    capability::StructuredOutput,
    config::ModelConfig,
    id::{ModelName, ToolName},
    message::Message,
    ports::model::{LanguageModel, ModelExt, ModelRequest},
    tool::{ToolSource, ToolSpec},
    vars::MapVars,
};
use agent_gateway_llm::Router;
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::{Value, json};

use super::kit::{BOTH, KEY, patient, quick};

/// The provider, the variables of its key and its address, and when it takes a schema at another address than its own.
const ROWS: &[(&str, &str, &str, StructuredOutput)] = &[
    ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", StructuredOutput::AnswerOnly),
    ("azure", "AZURE_API_KEY", "AZURE_API_BASE", StructuredOutput::Always),
    ("gemini", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", StructuredOutput::AnswerOnly),
    ("ollama", "OLLAMA_API_KEY", "OLLAMA_HOST", StructuredOutput::AnswerOnly),
    ("groq", "GROQ_API_KEY", "GROQ_API_BASE", StructuredOutput::AnswerOnly),
    ("openrouter", "OPENROUTER_API_KEY", "OPENROUTER_API_BASE", StructuredOutput::AnswerOnly),
    ("mistral", "MISTRAL_API_KEY", "MISTRAL_API_BASE", StructuredOutput::AnswerOnly),
    ("together", "TOGETHER_API_KEY", "TOGETHER_AI_API_BASE", StructuredOutput::AnswerOnly),
    ("xai", "XAI_API_KEY", "XAI_API_BASE", StructuredOutput::AnswerOnly),
    ("fireworks", "FIREWORKS_API_KEY", "FIREWORKS_API_BASE", StructuredOutput::AnswerOnly),
    ("perplexity", "PERPLEXITY_API_KEY", "PERPLEXITY_API_BASE", StructuredOutput::AnswerOnly),
    ("cerebras", "CEREBRAS_API_KEY", "CEREBRAS_API_BASE", StructuredOutput::AnswerOnly),
    ("huggingface", "HF_TOKEN", "HF_API_BASE", StructuredOutput::AnswerOnly),
    ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", StructuredOutput::None),
    ("cohere", "COHERE_API_KEY", "COHERE_API_BASE", StructuredOutput::None),
    ("deepseek", "DEEPSEEK_API_KEY", "DEEPSEEK_API_BASE", StructuredOutput::None),
    ("nvidia", "NVIDIA_API_KEY", "NVIDIA_NIM_API_BASE", StructuredOutput::None),
];

fn city() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        "additionalProperties": false})
}

fn router(key: &str, base: &str, url: &str) -> Router {
    let vars: MapVars = [(key, KEY), (base, url)].into_iter().collect();
    Router::builder().timeouts(patient()).retries(quick()).build(&ModelConfig::default(), &vars).unwrap().0
}

fn wanting(model: &str, schema: Value) -> ModelRequest {
    let mut request = ModelRequest::new(ModelName::new(model).unwrap(), vec![Message::user("hi")]);
    request.output_schema = Some(Arc::new(schema));
    request
}

#[tokio::test]
async fn a_schema_goes_to_the_providers_that_document_it() {
    for (provider, key, base, expected) in ROWS {
        let server = ModelServer::start().await;
        server.default_reply(Reply::text("{}"));
        let router = router(key, base, &server.url());
        let mut request = wanting(&format!("{provider}/some-model"), city());
        assert_eq!(router.capability(&request.model).structured_output, *expected, "{provider}");
        for delivery in BOTH {
            request.delivery = delivery;
            for tools in [0, 1] {
                let look =
                    ToolSpec::new(ToolName::new("look").unwrap(), "looks", json!({}), ToolSource::Code);
                request.tools = std::iter::repeat_n(Arc::new(look), tools).collect();
                router.complete(request.clone()).await.unwrap();
                let format = json!({"type": "json_schema",
                    "json_schema": {"name": "answer", "schema": city(), "strict": true}});
                let sent = server.requests().pop().unwrap().body.get("response_format").cloned();
                assert_eq!(sent, expected.allows(tools).then_some(format), "{provider}, {tools} tools");
            }
        }
    }
}

#[tokio::test]
async fn a_schema_is_strict_only_where_it_can_be_and_left_out_where_it_is_no_objects() {
    let server = ModelServer::start().await;
    server.default_reply(Reply::text("{}"));
    let router = router("OPENAI_API_KEY", "OPENAI_BASE_URL", &server.url());
    let open = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    router.complete(wanting("openai/m", open)).await.unwrap();
    assert_eq!(server.requests()[0].body["response_format"]["json_schema"]["strict"], false);
    router.complete(wanting("openai/m", json!({"type": "array"}))).await.unwrap();
    assert_eq!(server.requests()[1].body.get("response_format"), None);
}

#[tokio::test]
async fn a_refused_schema_is_left_out_once_and_for_all() {
    let other = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    for (refusal, takes_others) in [
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            false,
        ),
        ("This response_format type is unavailable now", false),
        ("This model does not support response format `json_schema`.", false),
        ("Invalid schema for response_format 'answer': In context=(), 'oneOf' is not permitted.", true),
    ] {
        let server = ModelServer::start().await;
        let router = router("GROQ_API_KEY", "GROQ_API_BASE", &server.url());
        server.reply(Reply::status(400).message(refusal)).default_reply(Reply::text("{}"));
        for schema in [city(), city(), other.clone()] {
            router.complete(wanting("groq/m", schema)).await.unwrap();
        }
        let has = |body: &Value| body.get("response_format").is_some();
        let sent: Vec<_> = server.requests().iter().map(|asked| has(&asked.body)).collect();
        assert_eq!(sent, [true, false, false, takes_others], "{refusal}");
        let able = router.capability(&ModelName::new("groq/m").unwrap()).structured_output;
        assert_eq!(able != StructuredOutput::None, takes_others, "{refusal}");
        // Another model is asked anew.
        router.complete(wanting("groq/n", city())).await.unwrap();
        assert!(has(&server.requests().pop().unwrap().body));
    }
}
