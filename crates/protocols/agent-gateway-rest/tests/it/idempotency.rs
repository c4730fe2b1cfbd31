//! Requests that come twice with one key.
use agent_gateway_core::ErrorKind;
use agent_gateway_runtime::Limits;
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use axum::{body::Body, http::header};
use serde_json::{Value, json};

use crate::{
    events::{events, text},
    world::{ALICE, Answer, BOB, ROOT, Setup, World, post_with, request},
};

const CHAT: &str = "/v1/agents/echo/chat";
const INVOKE: &str = "/v1/agents/echo/invoke";

async fn keyed(world: &World, path: &str, key: &str, body: &Value) -> Answer {
    world.send(post_with(path, key, ("Idempotency-Key", "key-1"), body)).await
}

async fn world(replies: impl IntoIterator<Item = Reply>) -> World {
    Setup { model: ScriptedModel::new(replies), ..Setup::default() }.start().await
}

#[tokio::test]
async fn a_repeated_request_is_answered_alike_and_runs_once() {
    for path in [CHAT, INVOKE] {
        let world = world([Reply::text("once")]).await;
        let body = json!({"message": "hi", "input": {"a": 1}, "options": {"timeout_ms": 5000}});
        let first = keyed(&world, path, ALICE, &body).await;
        let second = keyed(&world, path, ALICE, &body).await;
        assert_eq!(first.header("x-execution-id"), second.header("x-execution-id"));
        assert_eq!(first.ok(), second.ok(), "{path}");
        // The same in other words: defaults written out, members in another order.
        let same =
            json!({"options": {"timeout_ms": "5000", "stream": false}, "input": {"a": 1}, "message": "hi"});
        keyed(&world, path, ALICE, &same).await.ok();
        assert_eq!(world.model.requests().len(), 1);
        assert!(world.get("/v1/sessions", ALICE).await.ok().as_array().unwrap().len() <= 1);
    }
}

#[tokio::test]
async fn a_repeated_stream_tells_the_same_events() {
    for path in [CHAT, INVOKE] {
        let world = world([Reply::text("one two").call("nothing", &json!({})), Reply::text("three")]).await;
        let body = json!({"message": "hi", "options": {"stream": true}});
        let first = events(&keyed(&world, path, ALICE, &body).await);
        let second = events(&keyed(&world, path, ALICE, &body).await);
        assert_eq!((first[0].clone(), first.last()), (second[0].clone(), second.last()), "{path}");
        assert_eq!(text(&first), text(&second));
        assert_eq!(world.model.requests().len(), 2);
    }
}

#[tokio::test]
async fn a_repeated_queued_run_is_queued_once() {
    let world = World::new().await;
    let (plain, asked) = (json!({"message": "hi"}), json!({"message": "hi", "options": {"async": true}}));
    for (path, key, body) in [("/v1/agents/later/invoke", ALICE, &plain), (INVOKE, BOB, &asked)] {
        let first = keyed(&world, path, key, body).await;
        let second = keyed(&world, path, key, body).await;
        assert_eq!((first.status.as_u16(), second.status.as_u16()), (202, 202), "{first:?} {second:?}");
        assert_eq!(first.json, second.json);
        assert_eq!(world.get("/v1/executions", key).await.ok().as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn requests_of_the_same_moment_run_once() {
    for path in [CHAT, INVOKE] {
        let slow = Reply::text("once").after(std::time::Duration::from_millis(30));
        let world = world([slow]).await;
        let body = json!({"message": "hi"});
        let (one, two) = tokio::join!(keyed(&world, path, ALICE, &body), keyed(&world, path, ALICE, &body));
        assert_eq!(one.ok(), two.ok(), "{path}");
        assert_eq!(world.model.requests().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn a_key_with_another_request_is_refused() {
    let world = World::new().await;
    let first = keyed(&world, INVOKE, ALICE, &json!({"message": "hi"})).await.ok();
    for (path, body) in [
        (INVOKE, json!({"message": "hi!"})),
        (INVOKE, json!({"message": "hi", "input": {"a": 1}})),
        (INVOKE, json!({"message": "hi", "options": {"async": true}})),
        (INVOKE, json!({"message": "hi", "options": {"stream": true}})),
        (INVOKE, json!({"message": "hi", "options": {"timeout_ms": 5000}})),
        (INVOKE, json!({"message": "hi", "options": {"output_schema": {"type": "object"}}})),
        ("/v1/agents/styled/invoke", json!({"message": "hi"})),
        (CHAT, json!({"message": "hi"})),
        (CHAT, json!({"message": "hi", "options": {"stream": true}})),
    ] {
        let answer = keyed(&world, path, ALICE, &body).await;
        assert_eq!(answer.error(), (422, "idempotency_key_reused"), "{path} {body}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert!(answer.json["detail"].is_string(), "{answer:?}");
        assert!(!answer.text.contains(first["execution_id"].as_str().unwrap()));
    }
    assert_eq!(keyed(&world, INVOKE, ALICE, &json!({"message": "hi"})).await.ok(), first, "nothing was lost");
    assert_eq!(world.get("/v1/executions", ROOT).await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_turn_of_another_session_is_another_request() {
    let world = World::new().await;
    let session = |answer: Answer| answer.ok()["session_id"].as_str().unwrap().to_owned();
    let (one, two) =
        (session(world.turn(None, "a", ALICE).await), session(world.turn(None, "a", ALICE).await));
    let turn = |id: &str| json!({"message": "hi", "session_id": id});
    let first = keyed(&world, CHAT, ALICE, &turn(&one)).await.ok();
    assert_eq!(keyed(&world, CHAT, ALICE, &turn(&one)).await.ok(), first);
    for other in [turn(&two), json!({"message": "hi"})] {
        assert_eq!(keyed(&world, CHAT, ALICE, &other).await.error(), (422, "idempotency_key_reused"));
    }
    let stored = world.get(&format!("/v1/sessions/{one}"), ALICE).await.ok();
    assert_eq!((&first["turn_count"], &stored["turn_count"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_key_is_its_callers_own() {
    let world = World::new().await;
    let one = keyed(&world, INVOKE, ALICE, &json!({"message": "hi"})).await.ok();
    let two = keyed(&world, INVOKE, BOB, &json!({"message": "something else"})).await.ok();
    assert_ne!(one["execution_id"], two["execution_id"]);
}

#[tokio::test]
async fn a_failed_run_is_answered_again_and_a_refused_request_leaves_its_key_free() {
    let world = world([Reply::error(ErrorKind::Invalid, "no"), Reply::text("yes")]).await;
    let failed = keyed(&world, INVOKE, ALICE, &json!({"message": "hi"})).await.ok();
    assert_eq!(failed["status"], "failed");
    assert_eq!(keyed(&world, INVOKE, ALICE, &json!({"message": "hi"})).await.ok(), failed);

    let lost = json!({"message": "hi", "session_id": "sess_000000000000"});
    assert_eq!(keyed(&world, CHAT, BOB, &lost).await.error(), (404, "session_not_found"));
    assert_eq!(keyed(&world, CHAT, BOB, &json!({"message": "hi"})).await.ok()["result"]["raw_text"], "yes");
}

#[tokio::test]
async fn a_full_gateway_still_answers_what_it_has_answered() {
    let limits = Limits { workers: 0, max_running: 1, ..Limits::default() };
    let model = ScriptedModel::new([Reply::text("once"), Reply::hang()]);
    let world = Setup { limits, model, ..Setup::default() }.start().await;
    let body = json!({"message": "hi"});
    let first = keyed(&world, INVOKE, ALICE, &body).await.ok();
    let other = world.clone();
    let hanging = tokio::spawn(async move { other.invoke("echo", ALICE).await });
    world.model.wait_for_requests(2).await;
    assert_eq!(world.invoke("echo", ALICE).await.error(), (503, "busy"));
    assert_eq!(keyed(&world, INVOKE, ALICE, &body).await.ok(), first);
    hanging.abort();
    world.model.wait_for_dropped(1).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_refused() {
    let world = World::new().await;
    let long = "k".repeat(256);
    for (path, keys) in [
        (INVOKE, vec![&b""[..]]),
        (INVOKE, vec![b"   "]),
        (INVOKE, vec![long.as_bytes()]),
        (INVOKE, vec![b"a", b"a"]),
        (CHAT, vec![b"a", b"b"]),
        (CHAT, vec![b"tab\tin it"]),
        (CHAT, vec![b"caf\xe9"]),
        (CHAT, vec!["caf\u{e9}".as_bytes()]),
    ] {
        let mut request = request("POST", path, ALICE).header(header::CONTENT_TYPE, "application/json");
        for key in &keys {
            request = request.header("idempotency-key", header::HeaderValue::from_bytes(key).unwrap());
        }
        let answer = world.send(request.body(Body::from(r#"{"message": "hi"}"#)).unwrap()).await;
        let expected = [("value_error".to_owned(), json!(["header", "idempotency-key"]))];
        assert_eq!(answer.problems(), expected, "{path} {keys:?}");
        assert!(answer.text.len() < 1000);
    }
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]));
    let longest = "k".repeat(255);
    let body = json!({"message": "hi"});
    world.send(post_with(INVOKE, ALICE, ("idempotency-key", &longest), &body)).await.ok();
}
