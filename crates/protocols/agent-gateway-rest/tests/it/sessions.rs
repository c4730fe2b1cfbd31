//! Sessions and conversations: shapes, lists, owners.
use agent_gateway_runtime::Authenticator;
use serde_json::{Value, json};

use crate::world::{ALICE, BOB, READER, ROOT, Setup, World};

async fn begin(world: &World, agent: &str, key: &str) -> String {
    let answer = world.chat(agent, key, &json!({"message": "hi"})).await.ok();
    answer["session_id"].as_str().unwrap().to_owned()
}

fn ids(list: &Value, name: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap().to_owned()).collect()
}

fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Seconds since 1970, of this minute.
fn is_now(value: &Value) -> bool {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    value.is_f64() && (now - 60.0..=now + 1.0).contains(&value.as_f64().unwrap())
}

#[tokio::test]
async fn a_session_has_every_member() {
    let world = World::new().await;
    let id = begin(&world, "echo", ALICE).await;
    world.turn(Some(&id), "again", ALICE).await.ok();
    let session = world.get(&format!("/v1/sessions/{id}"), ALICE).await.ok();
    let expected = ["session_id", "agent_id", "turn_count", "message_count", "created_at", "updated_at"];
    assert_eq!(members(&session), expected);
    assert_eq!(
        (&session["session_id"], &session["agent_id"], &session["turn_count"], &session["message_count"]),
        (&json!(id), &json!("echo"), &json!(2), &json!(4))
    );
    assert!(is_now(&session["created_at"]) && is_now(&session["updated_at"]), "{session}");
    assert!(session["created_at"].as_f64() <= session["updated_at"].as_f64(), "{session}");
    assert_eq!(world.get("/v1/sessions", ALICE).await.ok(), json!([session]));
}

#[tokio::test]
async fn the_last_to_grow_is_the_first_of_the_list() {
    let world = World::new().await;
    let one = begin(&world, "echo", ALICE).await;
    let two = begin(&world, "styled", ALICE).await;
    let three = begin(&world, "echo", ALICE).await;
    world.turn(Some(&one), "again", ALICE).await.ok();
    for (query, expected) in [
        ("", vec![&one, &three, &two]),
        ("?agent_id=echo", vec![&one, &three]),
        ("?agent_id=", vec![&one, &three, &two]),
        ("?limit=2", vec![&one, &three]),
        ("?agent_id=echo&limit=1", vec![&one]),
        ("?agent_id=nobody", vec![]),
        ("?agent_id=No%20Agent", vec![]),
    ] {
        for (path, name) in
            [("/v1/sessions", "session_id"), ("/v1/users/me/conversations", "conversation_id")]
        {
            let list = world.get(&format!("{path}{query}"), ALICE).await.ok();
            assert_eq!(ids(&list, name).iter().collect::<Vec<_>>(), expected, "{path}{query}");
        }
    }
    let page = world.get("/v1/users/me/conversations?offset=1&limit=1", ALICE).await.ok();
    assert_eq!(ids(&page, "conversation_id"), [three]);
    let page = world.get("/v1/users/me/conversations?offset=3", ALICE).await.ok();
    assert_eq!(page, json!([]));
}

#[tokio::test]
async fn queries_are_checked() {
    let world = World::new().await;
    let id = begin(&world, "echo", ALICE).await;
    let messages = format!("/v1/users/me/conversations/{id}/messages");
    for (path, kind, name) in [
        ("/v1/sessions?limit=0", "greater_than_equal", "limit"),
        ("/v1/sessions?limit=201", "less_than_equal", "limit"),
        ("/v1/sessions?limit=ten", "int_parsing", "limit"),
        ("/v1/users/me/conversations?limit=201", "less_than_equal", "limit"),
        ("/v1/users/me/conversations?offset=-1", "greater_than_equal", "offset"),
        ("/v1/users/me/conversations?offset=100001", "less_than_equal", "offset"),
        (&*format!("{messages}?limit=501"), "less_than_equal", "limit"),
        (&*format!("{messages}?offset=-1"), "greater_than_equal", "offset"),
    ] {
        let problems = world.get(path, ALICE).await.problems();
        assert_eq!(problems, [(kind.to_owned(), json!(["query", name]))], "{path}");
    }
    for path in ["/v1/sessions?limit=200", "/v1/users/me/conversations?limit=200&offset=100000"] {
        world.get(path, ALICE).await.ok();
    }
    let far = world.get(&format!("{messages}?limit=500&offset=9223372036854775807"), ALICE).await.ok();
    assert_eq!(far, json!([]));
}

#[tokio::test]
async fn sessions_are_shown_to_their_owner_and_admins() {
    let world = World::new().await;
    let id = begin(&world, "echo", ALICE).await;
    let (session, messages) =
        (format!("/v1/sessions/{id}"), format!("/v1/users/me/conversations/{id}/messages"));
    for other in [BOB, READER] {
        assert_eq!(world.get(&session, other).await.error(), (404, "session_not_found"));
        assert_eq!(world.get(&messages, other).await.error(), (404, "not_found"));
        assert_eq!(world.get("/v1/sessions", other).await.ok(), json!([]));
        assert_eq!(world.get("/v1/users/me/conversations", other).await.ok(), json!([]));
    }
    assert_eq!(world.delete(&session, BOB).await.error(), (404, "session_not_found"));
    assert_eq!(ids(&world.get("/v1/sessions", ROOT).await.ok(), "session_id"), [&*id]);
    world.get(&session, ROOT).await.ok();
    // `me` is nobody else, for admins too.
    assert_eq!(world.get("/v1/users/me/conversations", ROOT).await.ok(), json!([]));
    assert_eq!(world.get(&messages, ROOT).await.error(), (404, "not_found"));
    world.get(&messages, ALICE).await.ok();
    assert_eq!(world.delete(&session, ROOT).await.ok(), json!({"deleted": true}));
    assert_eq!(world.get(&session, ALICE).await.error(), (404, "session_not_found"));
}

#[tokio::test]
async fn what_was_deleted_is_gone_and_its_runs_stay() {
    let world = World::new().await;
    let id = begin(&world, "echo", ALICE).await;
    let path = format!("/v1/sessions/{id}");
    assert_eq!(world.delete(&path, ALICE).await.ok(), json!({"deleted": true}));
    assert_eq!(world.delete(&path, ALICE).await.error(), (404, "session_not_found"));
    assert_eq!(world.get(&path, ALICE).await.error(), (404, "session_not_found"));
    let messages = world.get(&format!("/v1/users/me/conversations/{id}/messages"), ALICE).await;
    assert_eq!(messages.error(), (404, "not_found"));
    for path in ["/v1/sessions", "/v1/users/me/conversations"] {
        assert_eq!(world.get(path, ALICE).await.ok(), json!([]));
    }
    let runs = world.get(&format!("/v1/executions?session_id={id}"), ALICE).await.ok();
    assert_eq!((runs.as_array().unwrap().len(), &runs[0]["status"]), (1, &json!("completed")));
}

#[tokio::test]
async fn ids_that_no_session_has_are_not_found() {
    let world = World::new().await;
    let long = "a".repeat(300);
    for id in ["sess_000000000000", "a.b", "%20", "a%2Fb", "%C3%A4", "%0A", &long] {
        for path in [format!("/v1/sessions/{id}"), format!("/v1/users/me/conversations/{id}/messages")] {
            let answer = world.get(&path, ALICE).await;
            assert!([404, 422].contains(&answer.error().0), "{path}: {answer:?}");
        }
    }
    let answer = world.get("/v1/sessions/sess_1", ALICE).await;
    assert_eq!(answer.error(), (404, "session_not_found"));
    assert_eq!(answer.json["error"]["message"], "Session 'sess_1' not found");
}

#[tokio::test]
async fn a_conversation_and_its_messages_have_every_member() {
    let world = World::new().await;
    let id = begin(&world, "echo", ALICE).await;
    world.turn(Some(&id), "again", ALICE).await.ok();
    let list = world.get("/v1/users/me/conversations", ALICE).await.ok();
    let expected =
        ["conversation_id", "agent_id", "title", "summary", "message_count", "created_at", "updated_at"];
    assert_eq!(members(&list[0]), expected);
    assert_eq!((&list[0]["conversation_id"], &list[0]["message_count"]), (&json!(id), &json!(4)));
    for name in ["created_at", "updated_at"] {
        assert!(list[0][name].as_str().unwrap().ends_with("+00:00"), "{list}");
    }

    let path = format!("/v1/users/me/conversations/{id}/messages");
    let messages = world.get(&path, ALICE).await.ok();
    let all = messages.as_array().unwrap();
    let said: Vec<_> = all
        .iter()
        .map(|entry| (entry["role"].as_str().unwrap(), entry["content"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("user", "hi"), ("assistant", "hello"), ("user", "again"), ("assistant", "hello")]);
    for message in all {
        assert_eq!(members(message), ["message_id", "role", "content", "created_at"]);
        let id = message["message_id"].as_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit)), "{id}");
        assert!(message["created_at"].as_str().unwrap().ends_with("+00:00"), "{message}");
    }
    let mut unique = ids(&messages, "message_id");
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), 4, "{messages}");
    assert_eq!(world.get(&path, ALICE).await.ok(), messages, "the ids stay");
    let page = world.get(&format!("{path}?offset=1&limit=2"), ALICE).await.ok();
    assert_eq!(page.as_array().unwrap(), &all[1..3]);
}

#[tokio::test]
async fn without_an_identity_there_are_sessions_and_no_conversations() {
    let world = Setup { authenticator: Authenticator::open(), ..Setup::default() }.start().await;
    let id = begin(&world, "echo", "").await;
    assert_eq!(ids(&world.get("/v1/sessions", "").await.ok(), "session_id"), [&*id]);
    assert_eq!(world.turn(Some(&id), "again", "").await.ok()["turn_count"], 2);
    for path in ["/v1/users/me/conversations", &format!("/v1/users/me/conversations/{id}/messages")] {
        assert_eq!(world.get(path, "").await.error(), (401, "auth_required"), "{path}");
    }
    assert_eq!(world.delete(&format!("/v1/sessions/{id}"), "").await.ok(), json!({"deleted": true}));
}
