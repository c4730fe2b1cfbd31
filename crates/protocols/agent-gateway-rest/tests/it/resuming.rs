//! Coming back to a stream with the last event that was seen.
use std::time::Duration;

use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use axum::{body::Body, http::header};
use serde_json::{Value, json};

use crate::{
    events::{Event, events, first, names, rest, text},
    world::{ALICE, Answer, BOB, ROOT, Setup, World, post_with, request},
};

const CHAT: &str = "/v1/agents/echo/chat";
const INVOKE: &str = "/v1/agents/echo/invoke";

fn streamed() -> Value {
    json!({"message": "hi", "options": {"stream": true}})
}

/// Asks for the rest of a run at its own path.
async fn watch(world: &World, execution: &str, key: &str, seen: &str) -> Answer {
    let request = request("GET", &format!("/v1/executions/{execution}/events"), key);
    world.send(request.header("last-event-id", seen).body(Body::empty()).unwrap()).await
}

/// Repeats the request that began it.
async fn repeat(world: &World, path: &str, key: &str, seen: &str) -> Answer {
    world.send(post_with(path, key, ("Last-Event-ID", seen), &streamed())).await
}

fn execution(events: &[Event]) -> String {
    events[0].data["execution_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_event_can_be_come_back_to_in_three_ways() {
    let model = ScriptedModel::new([
        Reply::text("ä b ").call("nothing", &json!({})).call("nothing", &json!({"a": 1})),
        Reply::text("c d"),
    ]);
    let world = Setup { model, ..Setup::default() }.start().await;
    let whole = events(&world.post(CHAT, ALICE, &streamed()).await);
    let id = execution(&whole);
    for cut in 0..whole.len() - 1 {
        let seen = &whole[cut].id;
        let by_query = format!("/v1/executions/{id}/events?last_event_id={seen}");
        for (way, answer) in [
            ("header", watch(&world, &id, ALICE, seen).await),
            ("query", world.get(&by_query, ALICE).await),
            ("the request again", repeat(&world, CHAT, ALICE, seen).await),
        ] {
            assert_eq!(answer.header("x-execution-id"), id, "{way}");
            let joined = [&whole[..=cut], &events(&answer)].concat();
            assert_eq!(text(&joined), text(&whole), "{way}, cut behind {seen}");
            let others = |events: &[Event]| -> Vec<Event> {
                events.iter().filter(|event| event.name != "token").cloned().collect()
            };
            assert_eq!(others(&joined), others(&whole), "{way}, cut behind {seen}");
        }
    }
    // Whoever has seen the end is told that there is nothing more, so that a browser does not come back for ever.
    let last = &whole.last().unwrap().id;
    let by_query = format!("/v1/executions/{id}/events?last_event_id={last}");
    for (way, answer) in [
        ("header", watch(&world, &id, ALICE, last).await),
        ("query", world.get(&by_query, ALICE).await),
        ("the request again", repeat(&world, CHAT, ALICE, last).await),
    ] {
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{way}");
    }
    assert_eq!(world.model.requests().len(), 2, "nothing of this ran anything");
    assert_eq!(world.get("/v1/executions", ROOT).await.ok().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_rest_of_a_run_under_way_is_what_was_missed_and_then_what_happens() {
    let model = ScriptedModel::new([
        Reply::text("one two").call("nothing", &json!({})),
        Reply::text("three").after(Duration::from_millis(20)),
    ]);
    let world = Setup { model, ..Setup::default() }.start().await;
    let body = json!({"message": "hi", "options": {"stream": true, "detach": true}});
    let mut open = world.open(post_with(INVOKE, ALICE, ("accept", "*/*"), &body)).await;
    let mut seen = first(&mut open, 2).await;
    seen.truncate(2);
    drop(open);
    let id = execution(&seen);
    seen.extend(events(&watch(&world, &id, ALICE, &seen[1].id.clone()).await));
    assert_eq!(text(&seen), "one twothree");
    let others: Vec<&str> = names(&seen).into_iter().filter(|name| *name != "token").collect();
    assert_eq!(others, ["session", "tool_call", "tool_result", "done"]);
}

#[tokio::test]
async fn whoever_comes_back_and_leaves_again_cancels_nothing() {
    let model = ScriptedModel::new([Reply::text("so far").then_hang()]);
    let world = Setup { model, ..Setup::default() }.start().await;
    let mut owner = world.open(post_with(CHAT, ALICE, ("accept", "*/*"), &streamed())).await;
    let seen = first(&mut owner, 3).await;
    for way in [
        request("GET", &format!("/v1/executions/{}/events", execution(&seen)), ALICE)
            .header("last-event-id", &seen[1].id)
            .body(Body::empty())
            .unwrap(),
        post_with(CHAT, ALICE, ("last-event-id", &seen[1].id), &streamed()),
    ] {
        let mut back = world.open(way).await;
        assert_eq!(text(&first(&mut back, 1).await), "far");
        drop(back);
    }
    world.post(&format!("/v1/executions/{}/cancel", execution(&seen)), ALICE, &Value::Null).await.ok();
    assert_eq!(rest(owner).await.last().unwrap().data["status"], "cancelled");
    assert_eq!(world.model.dropped(), 1);
}

#[tokio::test]
async fn ids_that_are_none_are_refused_before_anything_runs() {
    let world = World::new().await;
    let whole = events(&world.post(INVOKE, ALICE, &streamed()).await);
    let (id, asked) = (execution(&whole), world.model.requests().len());
    for bad in [
        "x",
        "1",
        ":",
        ":1",
        "no such id",
        &id,
        &format!("{id}:"),
        &format!("{id}:x"),
        &format!("{id}:1."),
        &format!("{id}:1.x"),
        &format!("{id}:-1"),
        &format!("{id}:1.2.3"),
        &format!("{id}:1:x"),
        &format!("{id}:99999999999999999999"),
        "two\u{a0}words:1",
        &"9".repeat(5000),
    ] {
        for answer in [
            watch(&world, &id, ALICE, bad).await,
            repeat(&world, INVOKE, ALICE, bad).await,
            repeat(&world, CHAT, ALICE, bad).await,
        ] {
            assert_eq!(answer.error(), (400, "invalid_event_id"), "{bad:?}");
            assert_eq!(answer.header("content-type"), "application/json");
            assert!(answer.text.len() < 1000, "it does not repeat a long value");
        }
    }
    let bytes = header::HeaderValue::from_bytes(b"\xff\xfe").unwrap();
    let path = format!("/v1/executions/{id}/events");
    let raw = request("GET", &path, ALICE).header("last-event-id", bytes).body(Body::empty()).unwrap();
    assert_eq!(world.send(raw).await.error(), (400, "invalid_event_id"));
    let query = world.get(&format!("{path}?last_event_id=x"), ALICE).await;
    assert_eq!(query.error(), (400, "invalid_event_id"));
    // An empty one counts as absent, as browsers have it.
    assert_eq!(events(&watch(&world, &id, ALICE, "").await)[0].name, "session");
    assert_eq!(world.model.requests().len(), asked);
}

#[tokio::test]
async fn an_id_from_the_future_is_refused() {
    let world = World::new().await;
    let whole = events(&world.post(INVOKE, ALICE, &streamed()).await);
    let id = execution(&whole);
    assert_eq!(whole.last().unwrap().id, format!("{id}:2"));
    for ahead in [
        "3",
        "99",
        "0.6",
        "0.99999",
        "18446744073709551615",
        "18446744073709551615.1",
        "5.18446744073709551615",
    ] {
        let ahead = format!("{id}:{ahead}");
        for answer in [watch(&world, &id, ALICE, &ahead).await, repeat(&world, INVOKE, ALICE, &ahead).await] {
            assert_eq!(answer.error(), (400, "event_id_ahead"), "{ahead}");
        }
    }
}

#[tokio::test]
async fn an_id_of_another_run_is_refused_and_tells_nothing() {
    let world = World::new().await;
    let one = events(&world.post(INVOKE, ALICE, &streamed()).await);
    let two = events(&world.post("/v1/agents/styled/invoke", ALICE, &streamed()).await);
    let (mine, foreign) = (execution(&one), two[0].id.clone());
    assert_eq!(watch(&world, &mine, ALICE, &foreign).await.error(), (400, "event_id_mismatch"));
    let asked = world.model.requests().len();
    // A run of another agent, of another user, and of nobody.
    let nobody = "00000000-0000-7000-8000-000000000000:1";
    for (key, seen) in [(ALICE, &*foreign), (BOB, &*one[0].id), (ALICE, nobody), (BOB, nobody)] {
        for path in [INVOKE, CHAT] {
            let answer = repeat(&world, path, key, seen).await;
            assert_eq!(answer.error(), (400, "event_id_mismatch"), "{path} {key} {seen}");
        }
    }
    for seen in [&*one[0].id, &*foreign, nobody] {
        assert_eq!(watch(&world, &mine, BOB, seen).await.error(), (404, "execution_not_found"), "{seen}");
    }
    assert_eq!(world.model.requests().len(), asked);
}

#[tokio::test]
async fn who_does_not_stream_has_seen_nothing() {
    let world = World::new().await;
    let whole = events(&world.post(INVOKE, ALICE, &streamed()).await);
    let plain = post_with(INVOKE, ALICE, ("last-event-id", &whole[0].id), &json!({"message": "hi"}));
    assert_ne!(world.send(plain).await.ok()["execution_id"], execution(&whole));
}
