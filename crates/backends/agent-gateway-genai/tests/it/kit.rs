//! A model with short limits, and a server for it.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    id::{ModelName, ToolName},
    message::Message,
    ports::model::{Completion, Delivery, LanguageModel, ModelEvent, ModelExt, ModelRequest},
    secret::Secret,
    tool::{ToolSource, ToolSpec},
};
use agent_gateway_genai::{GenAi, GenAiConfig, Limits};
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use futures::StreamExt;
use serde_json::json;

use super::wires::Wire;

pub(crate) const KEY: &str = "sk-test-do-not-show";
pub(crate) const BOTH: [Delivery; 2] = [Delivery::Whole, Delivery::Incremental];

/// Limits that a test can wait for where it wants to, and never reaches otherwise.
pub(crate) fn patient() -> Limits {
    let long = Duration::from_secs(20);
    Limits {
        first_byte: long,
        idle: long,
        total: long,
        first_pause: Duration::from_millis(1),
        ..Limits::default()
    }
}

/// The client that tests share the making of: no proxy, no certificates, no redirects, no compression.
pub(crate) fn http() -> reqwest::Client {
    // An error means that another test was faster.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .no_gzip()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

pub(crate) fn model_at(wire: Wire, origin: &str, limits: Limits) -> GenAi {
    let config = GenAiConfig::new("acme", wire.api(), format!("{origin}{}", wire.base()))
        .api_key(Secret::new(KEY))
        .key_place("ACME_API_KEY")
        .limits(limits);
    GenAi::new(config, || Ok(http())).unwrap()
}

pub(crate) async fn server() -> ModelServer {
    let server = ModelServer::start().await;
    server.any_path();
    server
}

/// A server with these replies, and its model.
pub(crate) async fn pair(wire: Wire, replies: impl IntoIterator<Item = Reply>) -> (ModelServer, GenAi) {
    let server = server().await;
    for reply in replies {
        server.reply(reply);
    }
    let model = model_at(wire, &server.origin(), patient());
    (server, model)
}

pub(crate) fn name(text: &str) -> ModelName {
    ModelName::new(text).unwrap()
}

pub(crate) fn tool(name: &str) -> Arc<ToolSpec> {
    let schema = json!({"type": "object", "properties": {"a": {"type": "number"}}});
    Arc::new(ToolSpec::new(ToolName::new(name).unwrap(), "does it", schema, ToolSource::Code))
}

pub(crate) fn request(wire: Wire, delivery: Delivery) -> ModelRequest {
    let mut request = ModelRequest::new(name(wire.model()), vec![Message::user("hi")]);
    request.tools = Arc::from([tool("add"), tool("list")]);
    request.delivery = delivery;
    request
}

pub(crate) async fn complete(wire: Wire, reply: Reply, delivery: Delivery) -> Result<Completion> {
    let (_server, model) = pair(wire, [reply]).await;
    model.complete(request(wire, delivery)).await
}

/// The error, which never shows the key.
pub(crate) async fn failure(model: &GenAi, wire: Wire) -> Error {
    let error = model.complete(request(wire, Delivery::Incremental)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{wire:?}: {error:?}");
    error
}

/// All that a stream gives, the error at its end included.
pub(crate) async fn events(model: &GenAi, wire: Wire) -> Vec<Result<ModelEvent>> {
    model.stream(request(wire, Delivery::Incremental)).await.unwrap().collect().await
}
