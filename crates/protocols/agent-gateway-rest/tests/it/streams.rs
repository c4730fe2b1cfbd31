//! Streamed answers: their events, their ends, and who leaves.
use std::time::Duration;

use agent_gateway_core::ErrorKind;
use agent_gateway_runtime::Limits;
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use axum::{body::Body, http::header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::{
    events::{Event, events, first, names, rest, text},
    world::{ALICE, Answer, BOB, NARROW, ROOT, Setup, World, post_with, request},
};

const CHAT: &str = "/v1/agents/echo/chat";
const INVOKE: &str = "/v1/agents/echo/invoke";
/// A header that means nothing.
const PLAIN: (&str, &str) = ("accept", "text/event-stream");

fn streamed() -> Value {
    json!({"message": "hi", "options": {"stream": true}})
}

fn stays() -> Value {
    json!({"message": "hi", "options": {"stream": true, "detach": true}})
}

async fn world(replies: impl IntoIterator<Item = Reply>) -> World {
    Setup { model: ScriptedModel::new(replies), ..Setup::default() }.start().await
}

async fn stream(world: &World, path: &str) -> Answer {
    world.post(path, ALICE, &streamed()).await
}

/// How a run is stored, once it has ended.
async fn ended(world: &World, id: &str) -> Value {
    let path = format!("/v1/executions/{id}");
    events(&world.get(&format!("{path}/events"), ROOT).await);
    world.get(&path, ROOT).await.ok()
}

/// Without what differs from run to run.
fn shapes(events: &[Event]) -> Vec<(&str, Value)> {
    let mut shapes = Vec::new();
    for event in events {
        let mut data = event.data.clone();
        if event.name == "done" {
            data["usage"]["duration_ms"] = json!(0);
        }
        shapes.push((event.name.as_str(), data));
    }
    shapes
}

#[tokio::test]
async fn a_streamed_turn_is_told_in_the_events_of_the_specification() {
    let world = world([Reply::text("one two three")]).await;
    let answer = stream(&world, CHAT).await;
    let execution = answer.header("x-execution-id").to_owned();
    assert!(answer.header("cache-control").contains("no-cache"), "{answer:?}");
    assert_eq!(answer.header("x-accel-buffering"), "no");
    assert!(!answer.headers.contains_key(header::CONTENT_LENGTH));
    let events = events(&answer);
    let session = events[0].data["session_id"].clone();
    assert!(session.as_str().unwrap().starts_with("sess_"), "{session}");
    let usage = json!({
        "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.0, "cost_incomplete": true, "llm_calls": 1,
        "tool_calls": 0, "models_used": ["scripted/one"], "duration_ms": 0,
    });
    assert_eq!(
        shapes(&events),
        [
            ("session", json!({"session_id": session, "execution_id": execution})),
            ("token", json!({"content": "one "})),
            ("token", json!({"content": "two "})),
            ("token", json!({"content": "three"})),
            (
                "done",
                json!({"execution_id": execution, "status": "completed", "stop_reason": "completed", "usage": usage, "turn_count": 1})
            ),
        ]
    );
    let ids: Vec<&str> = events.iter().map(|event| event.id.strip_prefix(&*execution).unwrap()).collect();
    assert_eq!(ids, [":0", ":0.4", ":0.8", ":0.13", ":2"]);
    assert_eq!(world.get(&format!("/v1/executions/{execution}"), ALICE).await.ok()["status"], "completed");
}

#[tokio::test]
async fn a_streamed_run_has_no_session_and_no_turns() {
    let world = world([Reply::text("{\"n\": 1}"), Reply::text("no")]).await;
    let body = json!({"message": "hi", "options": {"stream": true, "output_schema": {"required": ["n"]}}});
    let answer = world.post(INVOKE, ALICE, &body).await;
    let events = events(&answer);
    assert_eq!(events[0].data, json!({"session_id": null, "execution_id": answer.header("x-execution-id")}));
    let done = &events.last().unwrap().data;
    assert_eq!((&done["output"], done.get("turn_count")), (&json!({"n": 1}), None), "{done}");
}

#[tokio::test]
async fn tool_calls_and_their_results_are_told() {
    let world = world([
        Reply::text("so ")
            .call("http-fetch", &json!({"url": "a", "deep": {"b": [1]}}))
            .raw_call("http-fetch", "{\"url\": ")
            .call("nothing", &json!({})),
        Reply::text("done"),
    ])
    .await;
    let answer = world.post("/v1/agents/styled/chat", ALICE, &streamed()).await;
    let events = events(&answer);
    let of = |name: &str| -> Vec<&Value> {
        events.iter().filter(|event| event.name == name).map(|event| &event.data).collect()
    };
    assert_eq!(
        of("tool_call"),
        [
            &json!({"name": "http-fetch", "arguments": {"url": "a", "deep": {"b": [1]}}, "call_id": "call_0"}),
            &json!({"name": "http-fetch", "arguments": {"_raw": "{\"url\": "}, "call_id": "call_1"}),
            &json!({"name": "nothing", "arguments": {}, "call_id": "call_2"}),
        ]
    );
    let results = of("tool_result");
    assert!(
        results.contains(&&json!({"call_id": "call_0", "name": "http-fetch", "output": "done"})),
        "{results:?}"
    );
    for (call, name) in [("call_1", "http-fetch"), ("call_2", "nothing")] {
        let result = results.iter().find(|result| result["call_id"] == call).unwrap();
        assert_eq!(result["name"], name);
        assert!(result["output"]["error"].as_str().is_some_and(|error| !error.is_empty()), "{result}");
    }
    assert_eq!((names(&events)[0], *names(&events).last().unwrap()), ("session", "done"));
    assert_eq!(text(&events), "so done");
    let mut ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), events.len(), "no two events have one id");
}

#[tokio::test(start_paused = true)]
async fn an_error_comes_before_the_end() {
    let world = world([
        Reply::text("half ").then_error(ErrorKind::Invalid, "the secret of the provider"),
        Reply::hang(),
    ])
    .await;
    for (status, stored) in [("error", "failed"), ("timeout", "timeout")] {
        let body = json!({"message": "hi", "options": {"stream": true, "timeout_ms": 1000}});
        let events = events(&world.post(CHAT, ALICE, &body).await);
        let [.., error, done] = events.as_slice() else { panic!("{events:?}") };
        assert_eq!(
            (error.name.as_str(), done.name.as_str(), &done.data["status"]),
            ("error", "done", &json!(status))
        );
        assert!(error.data["message"].as_str().is_some_and(|message| !message.is_empty()), "{error:?}");
        let execution = done.data["execution_id"].as_str().unwrap();
        assert_eq!(ended(&world, execution).await["status"], stored);
    }
}

#[tokio::test]
async fn what_is_refused_is_no_stream() {
    let world = World::new().await;
    for path in [CHAT, INVOKE] {
        for (key, body, error) in [
            ("", streamed(), (401, "auth_required")),
            ("no-such-key", streamed(), (401, "invalid_credentials")),
            (ALICE, json!({"options": {"stream": true}}), (422, "validation_failed")),
            (ALICE, json!({"message": "hi", "options": {"stream": "perhaps"}}), (422, "validation_failed")),
        ] {
            let answer = world.post(path, key, &body).await;
            assert_eq!(answer.error(), error, "{path}");
            assert_eq!(answer.header("content-type"), "application/json", "{path}");
        }
    }
    let queued = json!({"message": "hi", "options": {"stream": true, "async": true}});
    assert_eq!(world.post(INVOKE, ALICE, &queued).await.error(), (400, "streaming_not_supported"));
    world.gateway.shutdown().await.unwrap();
    for path in [CHAT, INVOKE] {
        assert_eq!(stream(&world, path).await.error(), (503, "shutting_down"), "{path}");
    }
}

#[tokio::test]
async fn a_full_gateway_refuses_a_stream_with_a_status() {
    let limits = Limits { workers: 0, max_running: 1, ..Limits::default() };
    let model = ScriptedModel::always(Reply::text("so").then_hang());
    let world = Setup { limits, model, ..Setup::default() }.start().await;
    let mut open = world.open(post_with(CHAT, ALICE, PLAIN, &streamed())).await;
    first(&mut open, 2).await;
    assert_eq!(stream(&world, INVOKE).await.error(), (503, "busy"));
    drop(open);
    world.model.wait_for_dropped(1).await;
}

#[tokio::test]
async fn whoever_leaves_cancels_unless_the_run_is_detached() {
    let world = world([Reply::text("so").then_hang(), Reply::text("so").then_hang()]).await;
    for path in [CHAT, INVOKE] {
        let mut open = world.open(post_with(path, ALICE, PLAIN, &streamed())).await;
        let seen = first(&mut open, 2).await;
        drop(open);
        let id = seen[0].data["execution_id"].as_str().unwrap();
        assert_eq!(ended(&world, id).await["status"], "cancelled", "{path}");
    }
    world.model.wait_for_dropped(2).await;
    for path in [CHAT, INVOKE] {
        world.model.push(Reply::text("goes on").after(Duration::from_millis(20)));
        let mut open = world.open(post_with(path, ALICE, PLAIN, &stays())).await;
        let seen = first(&mut open, 1).await;
        drop(open);
        let id = seen[0].data["execution_id"].as_str().unwrap();
        let stored = ended(&world, id).await;
        assert_eq!(
            (&stored["status"], &stored["result"]["raw_text"]),
            (&json!("completed"), &json!("goes on"))
        );
    }
}

#[tokio::test]
async fn a_buffered_run_can_be_detached_too() {
    let world = world([Reply::text("goes on").after(Duration::from_millis(20))]).await;
    let other = world.clone();
    let body = json!({"message": "hi", "options": {"detach": true}});
    let waiting = tokio::spawn(async move { other.post(CHAT, ALICE, &body).await });
    world.model.wait_for_requests(1).await;
    let id = world.wait_for("running").await;
    waiting.abort();
    assert_eq!(ended(&world, &id).await["status"], "completed");
}

#[tokio::test]
async fn watchers_come_and_go_and_change_nothing() {
    let world = world([Reply::text("so far").then_hang()]).await;
    let mut owner = world.open(post_with(INVOKE, ALICE, PLAIN, &streamed())).await;
    let seen = first(&mut owner, 3).await;
    let path = format!("/v1/executions/{}/events", seen[0].data["execution_id"].as_str().unwrap());
    for key in [ALICE, ROOT] {
        let mut watcher = world.open(request("GET", &path, key).body(Body::empty()).unwrap()).await;
        assert_eq!(first(&mut watcher, 3).await, seen);
        drop(watcher);
    }
    assert_eq!(world.get(&path, BOB).await.error(), (404, "execution_not_found"));
    assert_eq!(world.get(&path, NARROW).await.error(), (403, "insufficient_scope"));
    assert_eq!(world.get("/v1/executions/none/events", ALICE).await.error(), (404, "execution_not_found"));
    assert_eq!(world.get("/v1/executions/a.b/events", ALICE).await.error(), (422, "validation_failed"));
    let cancel = path.replace("/events", "/cancel");
    world.post(&cancel, ALICE, &Value::Null).await.ok();
    let rest = rest(owner).await;
    let done = rest.last().unwrap();
    assert_eq!((done.name.as_str(), &done.data["status"]), ("done", &json!("cancelled")), "{rest:?}");
}

#[tokio::test]
async fn a_queued_run_is_watched_to_its_end() {
    let limits = Limits { workers: 1, ..Limits::default() };
    let model = ScriptedModel::always(Reply::text("one two"));
    let world = Setup { limits, model, ..Setup::default() }.start().await;
    let queued = world.invoke("later", ALICE).await.json;
    let path = format!("{}/events", queued["poll_url"].as_str().unwrap());
    let events = events(&world.get(&path, ALICE).await);
    assert_eq!((names(&events)[0], text(&events).as_str()), ("session", "one two"));
    assert_eq!(events.last().unwrap().data["status"], "completed");
    // What has ended is told to whoever asks, in the same words.
    let again = crate::events::events(&world.get(&path, ALICE).await);
    assert_eq!((text(&again), again.last()), (text(&events), events.last()));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_beats() {
    let world = world([Reply::hang()]).await;
    let mut open = world.open(post_with(CHAT, ALICE, PLAIN, &streamed())).await;
    first(&mut open, 1).await;
    let started = tokio::time::Instant::now();
    for beat in 1..=3 {
        let frame = open.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), ": keep-alive\n\n");
        assert_eq!(started.elapsed().as_secs(), 15 * beat);
    }
}
