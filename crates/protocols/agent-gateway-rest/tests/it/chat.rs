//! Turns of sessions.
use agent_gateway_core::ErrorKind;
use agent_gateway_runtime::Authenticator;
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::{Value, json};

use crate::world::{ALICE, Answer, BOB, ROOT, Setup, World};

fn session(answer: &Answer) -> String {
    answer.json["session_id"].as_str().unwrap().to_owned()
}

/// What was said in a session of Alice's.
async fn said(world: &World, session: &str) -> Vec<(String, String)> {
    let messages = world.get(&format!("/v1/users/me/conversations/{session}/messages"), ALICE).await.ok();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
    messages.as_array().unwrap().iter().map(|entry| (text(entry, "role"), text(entry, "content"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn an_answer_has_every_member() {
    let world = World::new().await;
    let answer = world.turn(None, "hi", ALICE).await;
    let (id, session) = (answer.header("x-execution-id").to_owned(), session(&answer));
    // Longer than the reference's, so that nobody guesses one.
    let digits = session.strip_prefix("sess_").unwrap();
    assert!(
        digits.len() == 32 && digits.bytes().all(|digit| b"0123456789abcdef".contains(&digit)),
        "{session}"
    );
    let body = answer.ok();
    let duration = body["usage"]["duration_ms"].clone();
    assert!(duration.is_u64(), "{body}");
    assert_eq!(
        body,
        json!({
            "session_id": session,
            "execution_id": id,
            "agent_id": "echo",
            "status": "completed",
            "stop_reason": "completed",
            "result": {"output": null, "raw_text": "hello", "validation_errors": null},
            "usage": {
                "input_tokens": 10, "output_tokens": 5, "cost_usd": 0.0, "cost_incomplete": true, "llm_calls": 1,
                "tool_calls": 0, "models_used": ["scripted/one"], "duration_ms": duration,
            },
            "error": null,
            "turn_count": 1,
        })
    );
    let stored = world.get(&format!("/v1/executions/{id}"), ALICE).await.ok();
    assert_eq!((&stored["session_id"], &stored["result"]["content"]), (&json!(session), &json!("hello")));
}

#[tokio::test]
async fn a_session_goes_on_and_no_session_is_a_new_one() {
    let world = World::new().await;
    let first = world.turn(None, "one", ALICE).await;
    let id = session(&first);
    for (number, message) in [(2, "two"), (3, "three")] {
        let next = world.turn(Some(&id), message, ALICE).await.ok();
        assert_eq!((&next["session_id"], &next["turn_count"]), (&json!(id), &json!(number)));
    }
    assert_eq!(world.model.requests()[2].messages.len(), 6, "the model is shown what was said");
    for none in [
        json!({"message": "a"}),
        json!({"message": "a", "session_id": null}),
        json!({"message": "a", "session_id": ""}),
    ] {
        let new = world.chat("echo", ALICE, &none).await;
        assert_ne!(session(&new), id, "{none}");
        assert_eq!(new.ok()["turn_count"], 1, "{none}");
    }
}

#[tokio::test]
async fn sessions_that_cannot_go_on_say_why_and_record_nothing() {
    let world = World::new().await;
    let id = session(&world.turn(None, "one", ALICE).await);
    let deleted = session(&world.turn(None, "one", ALICE).await);
    world.delete(&format!("/v1/sessions/{deleted}"), ALICE).await.ok();
    let before = world.get("/v1/executions", ROOT).await.ok();
    let long = "s".repeat(256);
    for (what, agent, key, session, error) in [
        ("unknown", "echo", ALICE, "sess_000000000000", (404, "session_not_found")),
        ("not an id", "echo", ALICE, "two\nlines", (404, "session_not_found")),
        ("long", "echo", ALICE, &*long, (404, "session_not_found")),
        ("of another agent", "styled", ALICE, &*id, (409, "session_agent_mismatch")),
        ("of another user", "echo", BOB, &*id, (404, "session_not_found")),
        ("of another user with another agent", "styled", BOB, &*id, (404, "session_not_found")),
        ("deleted", "echo", ALICE, &*deleted, (404, "session_not_found")),
    ] {
        for stream in [false, true] {
            let body = json!({"message": "hi", "session_id": session, "options": {"stream": stream}});
            let answer = world.chat(agent, key, &body).await;
            assert_eq!(answer.error(), error, "{what}, stream: {stream}");
            assert_eq!(answer.header("content-type"), "application/json", "{what}, stream: {stream}");
        }
    }
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), before);
    assert_eq!(world.model.requests().len(), 2);
    // An admin may go on with anybody's session, which stays its owner's.
    assert_eq!(world.turn(Some(&id), "two", ROOT).await.ok()["turn_count"], 2);
    assert_eq!(world.turn(Some(&id), "three", ALICE).await.ok()["turn_count"], 3);
}

#[tokio::test]
async fn agents_that_cannot_be_talked_to_say_why() {
    let world = World::new().await;
    let hi = json!({"message": "hi"});
    for (agent, error) in [
        ("none", (404, "agent_not_found")),
        ("NONE", (404, "agent_not_found")),
        ("off", (503, "agent_disabled")),
        ("personal", (409, "setup_required")),
    ] {
        assert_eq!(world.chat(agent, ALICE, &hi).await.error(), error, "{agent}");
        let stream = json!({"message": "hi", "options": {"stream": true}});
        assert_eq!(world.chat(agent, ALICE, &stream).await.error(), error, "{agent}, streamed");
    }
    assert_eq!(world.get("/v1/sessions", ROOT).await.ok(), json!([]), "no session begins with a refusal");
    let open = Setup { authenticator: Authenticator::open(), ..Setup::default() }.start().await;
    assert_eq!(open.chat("personal", "", &hi).await.error(), (401, "auth_required"));
}

#[tokio::test]
async fn a_chat_is_free_text_and_never_queued() {
    let world =
        Setup { model: ScriptedModel::always(Reply::text("{\"n\": 1}")), ..Setup::default() }.start().await;
    let body = json!({"message": "hi", "options": {"output_schema": {"required": ["m"]}, "async": true}});
    for agent in ["styled", "later"] {
        let answer = world.chat(agent, ALICE, &body).await.ok();
        assert_eq!(
            (&answer["status"], &answer["result"]),
            (
                &json!("completed"),
                &json!({"output": null, "raw_text": "{\"n\": 1}", "validation_errors": null})
            ),
            "{agent}"
        );
    }
}

#[tokio::test]
async fn wrong_types_are_told_all_at_once() {
    let world = World::new().await;
    let options = |name: &str| json!(["body", "options", name]);
    let body = json!({
        "message": 5, "session_id": 7, "input": [],
        "options": {"stream": "perhaps", "detach": [], "timeout_ms": "soon"},
    });
    let expected = [
        ("string_pattern_mismatch", json!(["path", "agent_id"])),
        ("string_type", json!(["body", "message"])),
        ("string_type", json!(["body", "session_id"])),
        ("dict_type", json!(["body", "input"])),
        ("bool_parsing", options("stream")),
        ("bool_type", options("detach")),
        ("int_parsing", options("timeout_ms")),
    ];
    let problems = world.chat("e.cho", ROOT, &body).await.problems();
    assert_eq!(problems, expected.map(|(kind, loc)| (kind.to_owned(), loc)));
    for (body, kind, loc) in [
        (json!({}), "missing", json!(["body", "message"])),
        (json!({"message": ""}), "string_too_short", json!(["body", "message"])),
        (json!({"message": "x".repeat(102_401)}), "string_too_long", json!(["body", "message"])),
        (
            json!({"message": "a", "session_id": "s".repeat(257)}),
            "string_too_long",
            json!(["body", "session_id"]),
        ),
        (
            json!({"message": "a", "options": {"timeout_ms": 999}}),
            "greater_than_equal",
            options("timeout_ms"),
        ),
        (
            json!({"message": "a", "options": {"timeout_ms": 300_001}}),
            "less_than_equal",
            options("timeout_ms"),
        ),
        (json!({"message": "a", "input": {"x": "y".repeat(65_536)}}), "too_long", json!(["body", "input"])),
    ] {
        assert_eq!(world.chat("echo", ALICE, &body).await.problems(), [(kind.to_owned(), loc)]);
    }
    assert_eq!(world.get("/v1/executions", ROOT).await.ok(), json!([]), "nothing of this was recorded");
    assert_eq!(world.get("/v1/sessions", ROOT).await.ok(), json!([]));
}

#[tokio::test]
async fn input_is_held_against_the_agents_schema_as_far_as_it_goes() {
    let world = World::new().await;
    let wrong = json!({"message": "hi", "input": {"count": "many"}});
    let answer = world.chat("shaped", ALICE, &wrong).await;
    assert_eq!(answer.error(), (422, "input_validation_failed"));
    assert!(answer.json["error"]["message"].as_str().unwrap().contains("body.input.count"), "{answer:?}");
    world.chat("shaped", ALICE, &json!({"message": "hi", "input": {"count": 2}})).await.ok();
}

#[tokio::test]
async fn a_failed_turn_is_an_answer_and_keeps_what_was_said() {
    let model = ScriptedModel::new([Reply::error(ErrorKind::Invalid, "no"), Reply::text("now")]);
    let world = Setup { model, ..Setup::default() }.start().await;
    let failed = world.turn(None, "hi", ALICE).await;
    let id = session(&failed);
    let body = failed.ok();
    assert_eq!((&body["status"], &body["stop_reason"]), (&json!("failed"), &json!("error")), "{body}");
    assert!(!body["error"].as_str().unwrap().is_empty());
    assert_eq!(world.turn(Some(&id), "again", ALICE).await.ok()["turn_count"], 2);
    let expected = pairs(&[("user", "hi"), ("user", "again"), ("assistant", "now")]);
    assert_eq!(said(&world, &id).await, expected);
}

#[tokio::test]
async fn two_turns_at_once_follow_each_other() {
    let slow = || Reply::text("slow").after(std::time::Duration::from_millis(50));
    let model = ScriptedModel::new([Reply::text("first"), slow(), slow(), slow()]);
    let world = Setup { model, ..Setup::default() }.start().await;
    let id = session(&world.turn(None, "one", ALICE).await);
    let (a, b, c) = tokio::join!(
        world.turn(Some(&id), "a", ALICE),
        world.turn(Some(&id), "b", ALICE),
        world.turn(Some(&id), "c", ALICE),
    );
    let mut counts = [a, b, c].map(|answer| answer.ok()["turn_count"].as_u64().unwrap());
    counts.sort_unstable();
    assert_eq!(counts, [2, 3, 4]);
    let roles: Vec<String> = said(&world, &id).await.into_iter().map(|(role, _)| role).collect();
    assert_eq!(roles, ["user", "assistant"].repeat(4));
}

#[tokio::test]
async fn a_message_in_the_middle_of_a_cancelled_turn_is_answered_and_nothing_is_lost() {
    let model = ScriptedModel::new([Reply::text("half").then_hang(), Reply::text("well")]);
    let world = Setup { model, ..Setup::default() }.start().await;
    let other = world.clone();
    let first = tokio::spawn(async move { other.turn(None, "one", ALICE).await });
    world.model.wait_for_requests(1).await;
    let execution = world.wait_for("running").await;
    let stored = world.get(&format!("/v1/executions/{execution}"), ALICE).await.ok();
    let id = stored["session_id"].as_str().unwrap().to_owned();
    let (other, of) = (world.clone(), id.clone());
    let second = tokio::spawn(async move { other.turn(Some(&of), "two", ALICE).await });
    world.post(&format!("/v1/executions/{execution}/cancel"), ALICE, &Value::Null).await.ok();
    let (first, second) = (first.await.unwrap().ok(), second.await.unwrap().ok());
    assert_eq!((&first["status"], &first["turn_count"]), (&json!("cancelled"), &json!(1)), "{first}");
    assert_eq!((&second["status"], &second["turn_count"]), (&json!("completed"), &json!(2)), "{second}");
    let said = said(&world, &id).await;
    let users: Vec<&str> =
        said.iter().filter(|(role, _)| role == "user").map(|(_, text)| text.as_str()).collect();
    assert_eq!((users, said.last().unwrap().1.as_str()), (vec!["one", "two"], "well"), "{said:?}");
}
