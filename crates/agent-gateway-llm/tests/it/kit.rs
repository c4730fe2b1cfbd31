//! A client with short limits, and a server for it.
#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
use std::time::Duration;

use agent_gateway_core::{
    Error, Result,
    id::ModelName,
    message::Message,
    ports::model::{Completion, Delivery, LanguageModel, ModelEvent, ModelExt, ModelRequest},
    secret::Secret,
};
use agent_gateway_llm::{HttpPool, OpenAiClient, OpenAiConfig, Retries, Timeouts};
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use futures::StreamExt;

pub(crate) const KEY: &str = "sk-test-do-not-show";
pub(crate) const BOTH: [Delivery; 2] = [Delivery::Whole, Delivery::Incremental];

/// Limits that a test can wait for where it wants to, and never reaches otherwise.
pub(crate) fn patient() -> Timeouts {
    let long = Duration::from_secs(20);
    Timeouts { connect: long, first_byte: long, idle: long, total: long }
}

pub(crate) fn quick() -> Retries {
    Retries { first_pause: Duration::from_millis(1), ..Retries::default() }
}

pub(crate) fn client_at(url: &str, timeouts: Timeouts, retries: Retries) -> OpenAiClient {
    let config = OpenAiConfig::new("acme", url).api_key(Secret::new(KEY)).timeouts(timeouts).retries(retries);
    OpenAiClient::new(config, HttpPool::new(&timeouts)).unwrap()
}

pub(crate) fn client(server: &ModelServer) -> OpenAiClient {
    client_at(&server.url(), patient(), quick())
}

pub(crate) fn request(delivery: Delivery) -> ModelRequest {
    let mut request = ModelRequest::new(ModelName::new("m").unwrap(), vec![Message::user("hi")]);
    request.delivery = delivery;
    request
}

/// A server with these replies, and its client.
pub(crate) async fn pair(replies: impl IntoIterator<Item = Reply>) -> (ModelServer, OpenAiClient) {
    let server = ModelServer::start().await;
    for reply in replies {
        server.reply(reply);
    }
    let client = client(&server);
    (server, client)
}

pub(crate) async fn complete(
    replies: impl IntoIterator<Item = Reply>,
    delivery: Delivery,
) -> Result<Completion> {
    let (_server, client) = pair(replies).await;
    client.complete(request(delivery)).await
}

/// The error, which never shows the key.
pub(crate) async fn failure(client: &OpenAiClient, delivery: Delivery) -> Error {
    let error = client.complete(request(delivery)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    error
}

/// All that a stream gives, the error at its end included.
pub(crate) async fn events(client: &OpenAiClient) -> Vec<Result<ModelEvent>> {
    client.stream(request(Delivery::Incremental)).await.unwrap().collect().await
}
