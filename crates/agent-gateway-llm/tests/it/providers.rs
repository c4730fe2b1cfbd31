//! Every well-known provider of the OpenAI-compatible wire, through the router: text, streams, tools, and what goes wrong.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use agent_gateway_core::{
    ErrorKind, Retry,
    config::{ModelConfig, ProviderConfig},
    id::ModelName,
    message::{Message, TokenUsage},
    ports::model::{Completion, Delivery, FinishReason, ModelExt, ModelRequest},
    vars::MapVars,
};
use agent_gateway_llm::Router;
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::json;

use super::kit::{BOTH, KEY, patient, quick};

/// The provider, its alias where it has one, the variable of its key and the one of its address.
const PROVIDERS: &[(&str, &str, &str, &str)] = &[
    ("openai", "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    ("anthropic", "anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    ("gemini", "gemini", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"),
    ("azure", "azure", "AZURE_API_KEY", "AZURE_API_BASE"),
    ("azure", "azure", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    ("ollama", "ollama_chat", "OLLAMA_API_KEY", "OLLAMA_HOST"),
    ("cohere", "cohere_chat", "COHERE_API_KEY", "COHERE_API_BASE"),
    ("groq", "groq", "GROQ_API_KEY", "GROQ_API_BASE"),
    ("openrouter", "openrouter", "OPENROUTER_API_KEY", "OPENROUTER_API_BASE"),
    ("mistral", "mistral", "MISTRAL_API_KEY", "MISTRAL_API_BASE"),
    ("deepseek", "deepseek", "DEEPSEEK_API_KEY", "DEEPSEEK_API_BASE"),
    ("together", "together_ai", "TOGETHER_API_KEY", "TOGETHER_AI_API_BASE"),
    ("xai", "xai", "XAI_API_KEY", "XAI_API_BASE"),
    ("fireworks", "fireworks_ai", "FIREWORKS_API_KEY", "FIREWORKS_API_BASE"),
    ("perplexity", "perplexity", "PERPLEXITY_API_KEY", "PERPLEXITY_API_BASE"),
    ("cerebras", "cerebras", "CEREBRAS_API_KEY", "CEREBRAS_API_BASE"),
    ("nvidia", "nvidia_nim", "NVIDIA_API_KEY", "NVIDIA_NIM_API_BASE"),
    ("huggingface", "huggingface", "HF_TOKEN", "HF_API_BASE"),
];

struct Customer {
    server: ModelServer,
    router: Router,
    prefix: &'static str,
    key: &'static str,
}

impl Customer {
    async fn of((_, prefix, key, base): &(&str, &'static str, &'static str, &'static str)) -> Self {
        let server = ModelServer::start().await;
        let vars: MapVars = [(*key, KEY), (*base, server.url().as_str())].into_iter().collect();
        let builder = Router::builder().timeouts(patient()).retries(quick());
        let (router, _) = builder.build(&ModelConfig::default(), &vars).unwrap();
        Self { server, router, prefix, key }
    }

    fn request(&self, delivery: Delivery) -> ModelRequest {
        let model = ModelName::new(format!("{}/some-model", self.prefix)).unwrap();
        let mut request = ModelRequest::new(model, vec![Message::user("hi")]);
        request.delivery = delivery;
        request
    }

    async fn hears(&self, reply: Reply, delivery: Delivery) -> agent_gateway_core::Result<Completion> {
        self.server.reply(reply);
        self.router.complete(self.request(delivery)).await
    }
}

#[tokio::test]
async fn text_streams_and_parallel_calls_come_with_their_usage() {
    for row in PROVIDERS {
        let customer = Customer::of(row).await;
        for delivery in BOTH {
            let reply = Reply::text("hello over there").usage(14, 4).cached(3).model("named-by-it");
            let answer = customer.hears(reply, delivery).await.unwrap();
            let usage = TokenUsage { input_tokens: 14, output_tokens: 4, cached_input_tokens: 3 };
            assert_eq!(
                (&*answer.text, answer.model.as_str()),
                ("hello over there", "named-by-it"),
                "{row:?}"
            );
            assert_eq!(answer.usage, usage, "{row:?}");

            let calls = [("add", json!({"a": 1})), ("add", json!({"a": 2})), ("list", json!({}))];
            let answer = customer.hears(Reply::tool_calls(calls.clone()), delivery).await.unwrap();
            let got = answer.tool_calls.iter().map(|call| (&*call.name, call.arguments.to_json()));
            assert_eq!(got.collect::<Vec<_>>(), calls, "{row:?}");
            assert_eq!(answer.reason, FinishReason::ToolCalls, "{row:?}");
        }
        let asked = &customer.server.requests()[0];
        let (header, value) = match row.0 {
            "azure" => ("api-key", KEY.to_owned()),
            _ => ("authorization", format!("Bearer {KEY}")),
        };
        assert_eq!(asked.header(header), Some(value.as_str()), "{row:?}");
        assert_eq!(asked.body["model"], "some-model", "{row:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_names_the_provider_and_the_variable() {
    for row in PROVIDERS {
        let customer = Customer::of(row).await;
        for status in [401, 403] {
            let reply = Reply::status(status).message(format!("Incorrect API key provided: {KEY}"));
            let error = customer.hears(reply, Delivery::Incremental).await.unwrap_err();
            let sentence =
                format!("the model provider {} refused the key ({status}): check {}", row.0, customer.key);
            assert_eq!((error.message(), error.kind()), (sentence.as_str(), ErrorKind::Misconfigured));
            assert!(!format!("{error:?}").contains(KEY), "{error:?}");
        }
    }
    // From the configuration, and none at all.
    let server = ModelServer::start().await;
    for (api_key, sentence) in [
        (Some(KEY.into()), "refused the key (401): check model.providers.corp.api_key"),
        (None, "wants a key (401): set model.providers.corp.api_key"),
    ] {
        let own = ProviderConfig { base_url: Some(server.url()), api_key, ..ProviderConfig::default() };
        let mut config = ModelConfig::default();
        config.providers.insert("corp".into(), own);
        let (router, _) = Router::from_config(&config, &MapVars::default()).unwrap();
        server.reply(Reply::status(401));
        let request = ModelRequest::new(ModelName::new("corp/x").unwrap(), vec![Message::user("hi")]);
        let error = router.complete(request).await.unwrap_err();
        assert_eq!(error.message(), format!("the model provider corp {sentence}"));
    }
}

#[tokio::test]
async fn rate_limits_are_waited_for_and_half_a_stream_is_no_answer() {
    for row in PROVIDERS {
        let customer = Customer::of(row).await;
        customer.server.reply(Reply::status(429).header("retry-after-ms", "20"));
        let answer = customer.hears(Reply::text("at last"), Delivery::Incremental).await.unwrap();
        assert_eq!((&*answer.text, customer.server.request_count()), ("at last", 2), "{row:?}");

        let long = Reply::status(429).header("retry-after", "31");
        let error = customer.hears(long, Delivery::Whole).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{row:?}");
        assert_eq!(error.retry(), Retry::Later(Some(std::time::Duration::from_secs(31))), "{row:?}");

        let error = customer.hears(Reply::cut_after(4), Delivery::Incremental).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{row:?}: {error}");
        assert_eq!(customer.server.request_count(), 4, "{row:?}: what has begun is not begun again");
    }
}

#[tokio::test]
async fn azure_is_asked_in_both_forms() {
    let server = ModelServer::start().await;
    server.default_reply(Reply::text("x"));
    let origin = server.origin();
    let ask = async |version: Option<&str>| {
        let mut vars = vec![("AZURE_API_KEY", KEY), ("AZURE_API_BASE", origin.as_str())];
        vars.extend(version.map(|version| ("OPENAI_API_VERSION", version)));
        let vars: MapVars = vars.into_iter().collect();
        let (router, _) = Router::from_config(&ModelConfig::default(), &vars).unwrap();
        let mut request = ModelRequest::new(ModelName::new("azure/prod").unwrap(), vec![Message::user("hi")]);
        request.max_tokens = Some(7);
        router.complete(request).await.unwrap();
        let asked = server.requests().pop().unwrap();
        assert_eq!(asked.header("authorization"), None);
        assert_eq!(asked.body["max_completion_tokens"], 7);
        (asked.path, asked.query)
    };
    assert_eq!(ask(None).await, ("/openai/v1/chat/completions".to_owned(), String::new()));
    let dated = ask(Some("2024-10-21")).await;
    let path = "/openai/deployments/prod/chat/completions";
    assert_eq!(dated, (path.to_owned(), "api-version=2024-10-21".to_owned()));
}

#[tokio::test]
async fn a_refusal_teaches_how_a_model_wants_to_be_asked() {
    let server = ModelServer::start().await;
    let url = server.url();
    let vars: MapVars = [("GROQ_API_KEY", KEY), ("GROQ_API_BASE", url.as_str())].into_iter().collect();
    let (router, _) = Router::from_config(&ModelConfig::default(), &vars).unwrap();
    server
        .reply(Reply::status(400).message(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        ))
        .reply(Reply::status(400).message("Unsupported value: 'temperature' does not support 0.1 with this model."))
        .default_reply(Reply::text("x"));
    let mut request = ModelRequest::new(ModelName::new("groq/odd").unwrap(), vec![Message::user("hi")]);
    (request.temperature, request.max_tokens) = (Some(0.1), Some(7));
    router.complete(request.clone()).await.unwrap();
    router.complete(request.clone()).await.unwrap();
    let has = |body: &serde_json::Value, key: &str| body.get(key).is_some();
    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(|asked| ["max_tokens", "max_completion_tokens", "temperature"].map(|key| has(&asked.body, key)))
        .collect();
    let learnt = [false, true, false];
    assert_eq!(asked, [[true, false, true], [false, true, true], learnt, learnt]);

    // A lesson that is known already teaches nothing: the refusal stands.
    server.reply(Reply::status(400).message("the temperature of the data center is too high"));
    assert_eq!(router.complete(request).await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(server.request_count(), 5);
}
