use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    config::{ModelConfig, ModelPrice, ProviderConfig},
    id::ModelName,
    message::Message,
    ports::model::{LanguageModel, ModelExt, ModelRequest},
    secret::Secret,
    vars::MapVars,
};

use super::{Credential, Router, RouterSummary, provider_variable};
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
    ProviderConfig { base_url: base_url.map(Into::into), api_key: None }
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
        ("offline", "offline"),
        ("offline/anything", "offline"),
    ];
    for (model, provider) in cases {
        assert_eq!(router.capability(&name(model)).provider, provider, "{model}");
    }
    for model in ["llama3", "o1x", "openapi/x", "gpt", "azure/gpt-4o", "openai/", "/x"] {
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
    assert!(said(&[], "azure/x").contains("not supported yet"));
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
    config
        .providers
        .insert("corp".into(), ProviderConfig { base_url: Some("http://b/v1".into()), api_key: Some(key) });
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
