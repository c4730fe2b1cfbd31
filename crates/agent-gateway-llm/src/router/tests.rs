use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use agent_gateway_core::{
    Error, ErrorKind, Result, Retry,
    capability::ModelCapability,
    config::{ModelConfig, ModelPrice, ProviderApi, ProviderConfig},
    id::ModelName,
    message::Message,
    ports::model::{Delivery, LanguageModel, ModelEvent, ModelExt, ModelRequest},
    secret::Secret,
    vars::MapVars,
};
use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};

use super::{Credential, NativeProvider, Router, RouterSummary, provider_variable};
use crate::Offline;

fn name(text: &str) -> ModelName {
    ModelName::new(text).unwrap()
}

fn vars(pairs: &[(&str, &str)]) -> MapVars {
    pairs.iter().copied().collect()
}

fn router(pairs: &[(&str, &str)]) -> (Router, RouterSummary) {
    Router::from_config(&ModelConfig::default(), &vars(pairs)).unwrap()
}

fn location(summary: &RouterSummary, provider: &str) -> String {
    summary.providers.iter().find(|line| line.name == provider).unwrap().location.clone()
}

fn custom(base_url: Option<&str>) -> ProviderConfig {
    ProviderConfig { base_url: base_url.map(Into::into), ..ProviderConfig::default() }
}

#[test]
fn names_lead_to_providers() {
    let (router, _) = router(&[]);
    let cases = [
        ("openai/gpt-4o", "openai"),
        ("openai/qwen/qwen3", "openai"),
        ("gpt-4o-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("o1", "openai"),
        ("o3-mini", "openai"),
        ("ft:gpt-4o-mini:me", "openai"),
        ("claude-sonnet-5", "anthropic"),
        ("gemini-2.5-flash", "gemini"),
        ("gemini/gemini-2.5-flash", "gemini"),
        ("together_ai/meta-llama/Llama-3", "together"),
        ("ollama_chat/llama3", "ollama"),
        ("ollama/llama3", "ollama"),
        ("groq/openai/gpt-oss-120b", "groq"),
        ("vertex_ai/gemini-2.5-flash", "vertex"),
        ("azure/prod", "azure"),
        ("fireworks_ai/accounts/fireworks/models/x", "fireworks"),
        ("nvidia_nim/meta/llama", "nvidia"),
        ("huggingface/org/model:cheapest", "huggingface"),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock"),
        ("mistral-large-latest", "mistral"),
        ("codestral-latest", "mistral"),
        ("command-a-03-2025", "cohere"),
        ("deepseek-chat", "deepseek"),
        ("grok-4", "xai"),
        ("offline", "offline"),
        ("offline/anything", "offline"),
    ];
    for (model, provider) in cases {
        assert_eq!(router.capability(&name(model)).provider, provider, "{model}");
    }
    for model in ["llama3", "qwen3", "o1x", "openapi/x", "gpt", "mistral", "openai/", "/x"] {
        let error = router.check(&name(model)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{model}");
        assert!(error.message().contains(model), "{error}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let said =
        |pairs: &[(&str, &str)], model: &str| router(pairs).0.check(&name(model)).unwrap_err().to_string();
    let unknown = said(&[], "qwen/qwen3");
    assert!(unknown.contains("model.providers.qwen.base_url") && unknown.contains("ollama"), "{unknown}");
    let local = said(&[("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1")], "qwen/qwen3");
    assert!(local.contains("server at http://127.0.0.1:8000/v1, write openai/qwen/qwen3"), "{local}");
    let azure = said(&[], "azure/x");
    assert!(azure.contains("set AZURE_API_KEY") && azure.contains("set AZURE_API_BASE"), "{azure}");
    let bedrock = said(&[("AWS_BEARER_TOKEN_BEDROCK", "k"), ("AWS_REGION", "eu-west-1")], "bedrock/x");
    assert!(bedrock.contains("without the feature genai"), "{bedrock}");
    let key = said(&[], "gemini/gemini-2.5-flash");
    assert!(key.contains("set GEMINI_API_KEY") && key.contains("model.providers.gemini.api_key"), "{key}");
}

#[test]
fn keys_come_from_the_variables_and_are_needed_at_home_only() {
    let ready = |pairs: &[(&str, &str)], model: &str| router(pairs).0.check(&name(model)).is_ok();
    assert!(!ready(&[], "openai/x") && !ready(&[("OPENAI_API_KEY", " ")], "openai/x"));
    assert!(ready(&[("OPENAI_API_KEY", "k")], "openai/x"));
    assert!(ready(&[("OPENAI_BASE_URL", "http://10.0.0.1/v1")], "openai/x"));
    assert!(ready(&[("OPENAI_API_BASE", "http://10.0.0.1/v1")], "openai/x"));
    assert!(!ready(&[("OPENAI_BASE_URL", "https://api.openai.com/v1/")], "openai/x"));
    assert!(
        ready(&[("GOOGLE_API_KEY", "k")], "gemini/x") && ready(&[("ANTHROPIC_API_KEY", "k")], "claude-x")
    );
    assert!(ready(&[], "ollama/x") && ready(&[], "offline"));
    let (_, summary) = router(&[("XAI_API_KEY", "k")]);
    let of = |name: &str| summary.providers.iter().find(|line| line.name == name).unwrap().credential.clone();
    assert_eq!(of("xai"), Credential::Present);
    assert_eq!(of("ollama"), Credential::NotNeeded);
    assert_eq!(of("mistral"), Credential::Missing("MISTRAL_API_KEY"));
}

#[test]
fn base_urls_are_completed_and_shown_without_credentials() {
    let cases = [
        ("OLLAMA_HOST", "0.0.0.0", "ollama", "http://127.0.0.1:11434/v1"),
        ("OLLAMA_HOST", "box:9", "ollama", "http://box:9/v1"),
        ("OLLAMA_HOST", "https://box/", "ollama", "https://box/v1"),
        ("ANTHROPIC_BASE_URL", "https://proxy", "anthropic", "https://proxy/v1"),
        ("OPENAI_BASE_URL", "http://me:pw@box:1/x/", "openai", "http://box:1/x/"),
        ("OPENAI_BASE_URL", "http://box/v1?k=pw", "openai", "http://box/v1"),
        ("GOOGLE_GEMINI_BASE_URL", "https://proxy", "gemini", "https://proxy/v1beta/openai"),
        ("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com/", "azure", "https://me.openai.azure.com/"),
        ("AWS_DEFAULT_REGION", "eu-west-1", "bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com/"),
        (
            "GOOGLE_CLOUD_PROJECT",
            "p-1",
            "vertex",
            "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global",
        ),
        ("NOTHING", "", "deepseek", "https://api.deepseek.com/v1"),
    ];
    for (variable, value, provider, expected) in cases {
        let (router, summary) = router(&[(variable, value)]);
        assert_eq!(location(&summary, provider), expected, "{variable}={value}");
        assert!(!format!("{router:?}").contains("pw"), "{router:?}");
    }
}

#[test]
fn a_broken_variable_harms_its_provider_alone() {
    let (router, _) = router(&[("OPENAI_BASE_URL", "ftp://x"), ("GROQ_API_KEY", "k")]);
    let error = router.check(&name("openai/x")).unwrap_err();
    assert!(error.message().contains("OPENAI_BASE_URL"), "{error}");
    assert!(router.check(&name("groq/x")).is_ok());
}

#[test]
fn the_configuration_wins_and_its_faults_are_told_together() {
    let mut config = ModelConfig::default();
    config.providers.insert("openai".into(), custom(Some("http://a/v1")));
    config.providers.insert("corp".into(), custom(Some("http://b/v1")));
    let (router, summary) =
        Router::from_config(&config, &vars(&[("OPENAI_BASE_URL", "http://c/v1")])).unwrap();
    assert_eq!(location(&summary, "openai"), "http://a/v1");
    assert!(router.check(&name("corp/any/thing")).is_ok());

    config.providers.insert("bad".into(), custom(None));
    config.providers.insert("worse".into(), custom(Some("nowhere")));
    config.providers.insert("groq".into(), custom(Some("mailto:x")));
    let error = Router::from_config(&config, &vars(&[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    for part in ["model.providers.bad.base_url", "model.providers.worse", "model.providers.groq"] {
        assert!(error.message().contains(part), "{part}: {error}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let mut config = ModelConfig::default();
    let key = Secret::new("sk-from-yaml");
    let own = ProviderConfig { api_key: Some(key), ..custom(Some("http://b/v1")) };
    config.providers.insert("corp".into(), own);
    let made = Router::from_config(&config, &vars(&[("OPENAI_API_KEY", "sk-from-env")])).unwrap();
    let shown = format!("{made:?}");
    assert!(!shown.contains("sk-from"), "{shown}");
}

#[test]
fn prices_belong_to_models() {
    let mut config = ModelConfig::default();
    let own = ModelPrice { input: 7.0, cached_input: Some(1.0), output: 8.0 };
    config.prices.insert("corp/house".into(), own);
    config.prices.insert("gpt-4o".into(), own);
    config.providers.insert("corp".into(), custom(Some("http://b/v1")));
    let (router, _) = Router::from_config(&config, &vars(&[])).unwrap();
    let input = |model: &str| router.capability(&name(model)).price.map(|price| price.input);
    assert_eq!(input("corp/house"), Some(7.0));
    assert_eq!(input("gpt-4o"), Some(7.0));
    assert_eq!(input("openai/gpt-4o-mini"), Some(0.15));
    assert_eq!(input("gpt-4o-mini-2024-07-18"), Some(0.15));
    assert_eq!(input("deepseek-r1"), Some(0.55));
    assert_eq!(input("offline"), Some(0.0));
    assert_eq!(input("ollama/deepseek-r1"), None);
    assert_eq!(input("corp/other"), None);
}

#[test]
fn a_provider_at_hand_is_told_by_its_variable() {
    assert_eq!(provider_variable(&vars(&[("HOME", "/"), ("OPENAI_API_KEY", "")])), None);
    assert_eq!(provider_variable(&vars(&[("MISTRAL_API_KEY", "k")])), Some("MISTRAL_API_KEY"));
    assert_eq!(provider_variable(&vars(&[("OPENAI_API_BASE", "http://x")])), Some("OPENAI_API_BASE"));
    assert_eq!(provider_variable(&vars(&[("OLLAMA_HOST", "x")])), Some("OLLAMA_HOST"));
    // Set for other purposes.
    assert_eq!(provider_variable(&vars(&[("HF_TOKEN", "k"), ("AWS_REGION", "us-east-1")])), None);
}

#[tokio::test]
async fn applications_bring_their_own() {
    let (router, _) = Router::from_config(&ModelConfig::default(), &vars(&[])).unwrap();
    let router = router.with_provider("mine", Arc::new(Offline));
    let ask = |model: &str| ModelRequest::new(name(model), vec![Message::user("hi")]);
    assert_eq!(router.complete(ask("mine/second")).await.unwrap().model.as_str(), "second");
    let error = router.complete(ask("openai/y")).await.unwrap_err();
    assert!(error.message().contains("OPENAI_API_KEY"), "{error}");
}

/// What a maker was told, and a router that it makes models for.
fn with_maker(config: &ModelConfig, pairs: &[(&str, &str)]) -> (Router, Arc<Mutex<Vec<NativeProvider>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let telling = told.clone();
    let builder = Router::builder().native(move |provider| {
        telling.lock().unwrap().push(provider);
        Ok(Arc::new(Offline))
    });
    (builder.build(config, &vars(pairs)).unwrap().0, told)
}

#[test]
fn whoever_speaks_a_wire_of_its_own_is_made_by_somebody_else() {
    let pairs = [
        ("ANTHROPIC_API_KEY", "k"),
        ("ANTHROPIC_BASE_URL", "http://proxy"),
        ("GEMINI_API_KEY", "k"),
        ("AWS_BEARER_TOKEN_BEDROCK", "k"),
        ("AWS_REGION", "eu-west-1"),
        ("GOOGLE_OAUTH_ACCESS_TOKEN", "k"),
        ("VERTEXAI_PROJECT", "p"),
        ("VERTEXAI_LOCATION", "europe-west4"),
        ("GROQ_API_KEY", "k"),
    ];
    let (router, told) = with_maker(&ModelConfig::default(), &pairs);
    for model in ["claude-x", "gemini-x", "vertex/gemini-x", "bedrock/x", "groq/x", "ollama/x"] {
        assert!(router.check(&name(model)).is_ok(), "{model}");
    }
    let told: Vec<_> =
        told.lock().unwrap().drain(..).map(|one| (one.api, one.base_url, one.key_place)).collect();
    let home = |api, url: &str, key: &str| (api, url.to_owned(), key.to_owned());
    assert_eq!(
        told,
        [
            home(ProviderApi::Anthropic, "http://proxy/v1", "ANTHROPIC_API_KEY"),
            home(ProviderApi::Gemini, "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
            home(
                ProviderApi::Vertex,
                "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4",
                "GOOGLE_OAUTH_ACCESS_TOKEN"
            ),
            home(
                ProviderApi::Bedrock,
                "https://bedrock-runtime.eu-west-1.amazonaws.com",
                "AWS_BEARER_TOKEN_BEDROCK"
            ),
        ]
    );
}

#[test]
fn the_configuration_chooses_the_wire() {
    let with = |base_url: Option<&str>, api| ProviderConfig { api, ..custom(base_url) };
    let mut config = ModelConfig::default();
    config.providers.insert("corp".into(), with(Some("http://corp/x"), Some(ProviderApi::Anthropic)));
    config.providers.insert("ollama".into(), with(None, Some(ProviderApi::Ollama)));
    config.providers.insert("anthropic".into(), with(Some("http://litellm/v1"), Some(ProviderApi::Openai)));
    // Google's own name for the common wire.
    config.providers.insert("gemini".into(), custom(Some("http://google/v1beta/openai/")));
    let (_, told) = with_maker(&config, &[]);
    let told: Vec<_> =
        told.lock().unwrap().iter().map(|one| (one.name.clone(), one.base_url.clone())).collect();
    let expected = [("ollama", "http://127.0.0.1:11434/"), ("corp", "http://corp/x")];
    assert_eq!(told, expected.map(|(name, url)| (name.to_owned(), url.to_owned())));

    // Nobody speaks it here, and the configuration insists.
    let error = Router::from_config(&config, &vars(&[])).unwrap_err();
    assert!(error.message().contains("corp speaks anthropic, which this build cannot"), "{error}");
}

#[test]
fn a_region_or_a_project_cannot_lead_elsewhere() {
    for (variable, model) in [("AWS_REGION", "bedrock/x"), ("VERTEXAI_PROJECT", "vertex/gemini-x")] {
        for value in ["evil.example/", "x@evil", "a b", "..", "x?y", "x#"] {
            let keys =
                [("AWS_BEARER_TOKEN_BEDROCK", "k"), ("GOOGLE_OAUTH_ACCESS_TOKEN", "k"), (variable, value)];
            let (router, told) = with_maker(&ModelConfig::default(), &keys);
            let error = router.check(&name(model)).unwrap_err();
            assert!(error.message().contains(variable), "{error}");
            assert!(told.lock().unwrap().is_empty(), "{value}");
        }
    }
}

/// Fails as it is told to, and remembers how many tokens it was asked for.
#[derive(Debug)]
struct Failing(Mutex<Vec<Option<u32>>>);

#[async_trait]
impl LanguageModel for Failing {
    fn capability(&self, _: &ModelName) -> ModelCapability {
        ModelCapability::new("failing")
    }

    async fn stream(&self, request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        self.0.lock().unwrap().push(request.max_tokens);
        // Half of the failures come in the middle of the answer.
        let cut = Error::unavailable("cut off");
        if request.delivery == Delivery::Whole { Err(cut) } else { Ok(stream::iter([Err(cut)]).boxed()) }
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_fails_is_not_asked_for_a_while() {
    let failing = Arc::new(Failing(Mutex::default()));
    let (router, _) = Router::from_config(&ModelConfig::default(), &vars(&[])).unwrap();
    let router = router.with_provider("weak", failing.clone());
    let ask = async |delivery| {
        let mut request = ModelRequest::new(name("weak/m"), vec![Message::user("hi")]);
        request.delivery = delivery;
        router.complete(request).await.unwrap_err()
    };
    for delivery in [Delivery::Whole, Delivery::Incremental, Delivery::Incremental, Delivery::Whole] {
        assert_eq!(ask(delivery).await.message(), "cut off");
    }
    let error = ask(Delivery::Whole).await;
    assert!(error.message().contains("m of the model provider weak failed repeatedly"), "{error}");
    assert_eq!(error.retry(), Retry::Later(Some(Duration::from_secs(60))));
    assert_eq!(failing.0.lock().unwrap().len(), 4);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(ask(Delivery::Whole).await.message(), "cut off");
}

#[tokio::test]
async fn nobody_is_asked_for_more_tokens_than_it_can_write() {
    let failing = Arc::new(Failing(Mutex::default()));
    let made = failing.clone();
    let builder = Router::builder().native(move |_| Ok(made.clone()));
    let (router, _) = builder.build(&ModelConfig::default(), &vars(&[("ANTHROPIC_API_KEY", "k")])).unwrap();
    for model in ["anthropic/claude-haiku-4-5", "anthropic/claude-of-tomorrow"] {
        let mut request = ModelRequest::new(name(model), vec![Message::user("hi")]);
        request.max_tokens = Some(100_000);
        router.complete(request).await.unwrap_err();
    }
    assert_eq!(*failing.0.lock().unwrap(), [Some(64_000), Some(100_000)]);
}
