//! Backends that fail, gateways that are full or stopping, handlers that panic.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result,
    ports::auth::{AuthProvider, AuthScheme, Authenticated, Credential},
};
use agent_gateway_http::{Access, HttpOptions, Operation, Routes, Tag};
use agent_gateway_runtime::{Authenticator, Limits};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use async_trait::async_trait;
use axum::response::Response;
use serde_json::json;

use crate::world::{ALICE, ROOT, Setup, World};

#[derive(Debug)]
struct Away;

#[async_trait]
impl AuthProvider for Away {
    fn schemes(&self) -> &[AuthScheme] {
        &[AuthScheme::Bearer]
    }

    async fn authenticate(&self, _credential: &Credential) -> Result<Authenticated> {
        Err(Error::unavailable("https://idp.internal answered 500"))
    }
}

#[tokio::test]
async fn a_provider_that_cannot_judge_lets_nobody_in() {
    let authenticator = Authenticator::closed(vec![Arc::new(Away)]).unwrap();
    let world = Setup { authenticator, ..Setup::default() }.start().await;
    let answer = world.get("/v1/agents", ALICE).await;
    assert_eq!(answer.error(), (503, "service_unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    assert!(!answer.text.contains("idp.internal"), "{}", answer.text);
}

#[tokio::test]
async fn a_full_gateway_says_when_to_come_back() {
    let limits = Limits { workers: 0, max_running: 1, ..Limits::default() };
    let model = ScriptedModel::always(Reply::hang());
    let world = Setup { limits, model, ..Setup::default() }.start().await;
    let other = world.clone();
    let first = tokio::spawn(async move { other.invoke("echo", ALICE).await });
    world.model.wait_for_requests(1).await;
    let answer = world.invoke("echo", ALICE).await;
    assert_eq!(answer.error(), (503, "busy"));
    assert!(answer.headers.contains_key("retry-after"));
    first.abort();
    world.model.wait_for_dropped(1).await;
}

#[tokio::test]
async fn a_stopping_gateway_takes_nothing_new() {
    let world = World::new().await;
    assert_eq!(world.get("/readyz", "").await.ok()["status"], "ok");
    world.gateway.shutdown().await.unwrap();
    let answer = world.invoke("echo", ALICE).await;
    assert_eq!(answer.error(), (503, "shutting_down"));
    assert!(answer.headers.contains_key("retry-after"));
    let ready = world.get("/readyz", "").await;
    assert_eq!((ready.status.as_u16(), &ready.json["status"]), (503, &json!("down")));
    assert_eq!(ready.json["intake"], "down");
    world.get("/healthz", "").await.ok();
}

#[tokio::test]
async fn a_handler_that_panics_is_a_500_with_an_id() {
    let world = World::new().await;
    async fn broken() -> Response {
        panic!("secret of the panic")
    }
    let operation = Operation::new("broken", Tag::Admin, "Panics");
    let routes = Routes::new().get("/v1/broken", Access::Scope("admin"), broken, operation);
    let app = routes.into_router(&world.gateway, &HttpOptions::default()).unwrap();
    let world = World { app, ..world };
    let answer = world.get("/v1/broken", ROOT).await;
    assert_eq!(answer.error(), (500, "internal_error"));
    assert!(answer.json["error"]["message"].as_str().unwrap().contains("err_"));
    assert!(answer.json["detail"].is_string());
    assert!(!answer.text.contains("secret of the panic"));
    assert_eq!(answer.header("x-frame-options"), "DENY");
}

#[tokio::test]
async fn a_store_that_is_away_is_a_503_and_not_an_empty_list() {
    let world = World::new().await;
    world.gateway.shutdown().await.unwrap();
    for path in ["/v1/executions", "/v1/executions/none"] {
        let answer = world.get(path, ALICE).await;
        assert_eq!(answer.error(), (503, "service_unavailable"), "{path}: {answer:?}");
        assert!(answer.headers.contains_key("retry-after"));
    }
}
