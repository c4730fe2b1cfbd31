//! Turns of sessions.
use agent_gateway_core::{
    ErrorKind, JsonMap,
    agent::AgentDefinition,
    execution::{ExecutionRequest, ExecutionStatus, StopReason, Thread},
    id::ConversationId,
    message::Message,
    ports::persistence::ConversationQuery,
};
use agent_gateway_runtime::{Completed, Reach, Refusal};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};
use serde_json::json;
use std::sync::Arc;

use crate::world::{World, agent, request, user};

fn opening(message: &str) -> ExecutionRequest {
    request("helper", message).thread(Thread::New)
}

fn turn(session: &ConversationId, message: &str) -> ExecutionRequest {
    request("helper", message).thread(Thread::Existing(session.clone()))
}

fn session(done: &Completed) -> ConversationId {
    done.session_id.clone().unwrap()
}

fn refused(result: Result<agent_gateway_runtime::Submitted, Refusal>) -> Refusal {
    match result {
        Err(refusal) => refusal,
        Ok(submitted) => panic!("it ran: {submitted:?}"),
    }
}

#[tokio::test]
async fn a_session_remembers_its_turns_also_in_another_process() {
    let world = World::helper([Reply::text("hello ann"), Reply::text("you are ann")]).await;
    let first = world.finish(opening("I am ann")).await;
    assert_eq!(first.outcome.turn_count, Some(1));
    let id = session(&first);
    let second = world.finish(turn(&id, "who am I?")).await;
    assert_eq!((second.outcome.turn_count, session(&second)), (Some(2), id.clone()));
    let asked = &world.model.requests()[1].messages[1..];
    let expected = [Message::user("I am ann"), Message::assistant("hello ann"), Message::user("who am I?")];
    assert_eq!(asked, expected);
    // Another gateway on the same store goes on with it.
    let model = Arc::new(ScriptedModel::new([Reply::text("still ann")]));
    let other = world.with_model(model.clone()).await;
    other.executions().submit(turn(&id, "and now?")).await.unwrap();
    assert_eq!(model.requests()[0].messages.len(), 6);
    assert_eq!(world.said(&id).await.len(), 6);
    let found = world.gateway.sessions().get(&id, &user("ann", &[])).await.unwrap().unwrap();
    assert_eq!((found.turn_count, found.message_count), (3, 6));
}

#[tokio::test]
async fn turns_of_one_session_follow_each_other_and_those_of_others_do_not_wait() {
    let world = World::helper([Reply::text("one"), Reply::hang()]).await;
    let id = session(&world.finish(opening("first")).await);
    let executions = world.gateway.executions();
    let slow = executions.submit(turn(&id, "slow"));
    let next = executions.submit(turn(&id, "next"));
    let mut slow = Box::pin(slow);
    assert!(futures::poll!(&mut slow).is_pending());
    let mut next = Box::pin(next);
    tokio::select! {
        _ = &mut slow => panic!("a model that hangs does not answer"),
        _ = &mut next => panic!("it came first"),
        () = world.model.wait_for_requests(2) => {}
    }
    world.model.push(Reply::text("elsewhere"));
    assert_eq!(world.finish(opening("another")).await.outcome.raw_text, "elsewhere");
    world.model.push(Reply::text("after"));
    // The caller of the slow turn leaves: it is cancelled, and the next one's turn has come.
    drop(slow);
    next.await.unwrap();
    let said = world.said(&id).await;
    let expected =
        [("user", "first"), ("assistant", "one"), ("user", "slow"), ("user", "next"), ("assistant", "after")];
    assert_eq!(said, expected.map(|(role, text)| (role, text.to_owned())));
    let shown = &world.model.requests().pop().unwrap().messages[3..];
    assert_eq!(shown, [Message::user("slow\n\nnext")], "nothing that was said is lost on the model");
}

#[tokio::test]
async fn a_turn_of_another_process_is_waited_for() {
    let world = World::helper([Reply::text("one"), Reply::hang()]).await;
    let id = session(&world.finish(opening("first")).await);
    let executions = world.gateway.executions();
    let mut slow = Box::pin(executions.submit(turn(&id, "slow")));
    tokio::select! {
        _ = &mut slow => panic!("a model that hangs does not answer"),
        () = world.model.wait_for_requests(2) => {}
    }
    let other = world.with_model(Arc::new(ScriptedModel::new([Reply::text("after")]))).await;
    let elsewhere = other.executions();
    let mut next = Box::pin(elsewhere.submit(turn(&id, "next")));
    assert!(futures::poll!(&mut next).is_pending());
    drop(slow);
    next.await.unwrap();
    let last = world.said(&id).await.pop().unwrap();
    assert_eq!(last, ("assistant", "after".to_owned()));
}

#[tokio::test]
async fn a_failed_turn_keeps_what_the_caller_said() {
    let world = World::helper([Reply::error(ErrorKind::Unavailable, "away"), Reply::text("hi")]).await;
    let failed = world.finish(opening("hello")).await;
    assert_eq!(failed.outcome.stop_reason, StopReason::Error);
    let id = session(&failed);
    assert_eq!(world.said(&id).await, [("user", "hello".to_owned())]);
    let again = world.finish(turn(&id, "hello")).await;
    assert_eq!(again.outcome.turn_count, Some(2));
    let shown = &world.model.requests()[1].messages[1..];
    assert_eq!(shown, [Message::user("hello")], "what was said again is shown once");
}

#[tokio::test]
async fn sessions_belong_to_their_owner_and_their_agent() {
    let world = World::new([agent("helper"), agent("other")], ScriptedModel::always(Reply::text("ok"))).await;
    let id = session(&world.finish(opening("hello")).await);
    let thread = Thread::Existing(id.clone());
    let mismatch = refused(world.submit(request("other", "hello").thread(thread.clone())).await);
    assert!(matches!(mismatch, Refusal::SessionAgentMismatch(_)), "{mismatch}");
    let mut foreign = turn(&id, "hello");
    foreign.principal = user("bob", &["agents:invoke"]);
    assert!(matches!(refused(world.submit(foreign.clone()).await), Refusal::SessionNotFound(_)));
    let unknown = ConversationId::generate();
    assert!(matches!(refused(world.submit(turn(&unknown, "hello")).await), Refusal::SessionNotFound(_)));
    let sessions = world.gateway.sessions();
    let (ann, bob, root) = (user("ann", &[]), user("bob", &[]), user("root", &["*"]));
    let query = ConversationQuery::default();
    assert_eq!(sessions.list(&query, &ann, Reach::Visible, 0, 10).await.unwrap().len(), 1);
    assert_eq!(sessions.list(&query, &ann, Reach::Visible, 1, 10).await.unwrap().len(), 0);
    assert_eq!(sessions.list(&query, &bob, Reach::Visible, 0, 10).await.unwrap().len(), 0);
    assert_eq!(sessions.list(&query, &root, Reach::Visible, 0, 10).await.unwrap().len(), 1);
    assert_eq!(sessions.list(&query, &root, Reach::Own, 0, 10).await.unwrap().len(), 0);
    assert!(sessions.get(&id, &bob).await.unwrap().is_none());
    assert!(sessions.own_messages(&id, &bob, 0, 10).await.unwrap().is_none());
    assert!(!sessions.delete(&id, &bob).await.unwrap());
    assert!(sessions.delete(&id, &ann).await.unwrap());
    assert!(matches!(refused(world.submit(turn(&id, "hello")).await), Refusal::SessionNotFound(_)));
    // Nothing of the foreign attempts reached a model.
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test]
async fn deleting_a_session_stops_its_turn() {
    let world = World::helper([Reply::text("one"), Reply::hang()]).await;
    let id = session(&world.finish(opening("first")).await);
    let sessions = world.gateway.sessions();
    let (slow, ()) = tokio::join!(world.finish(turn(&id, "slow")), async {
        world.model.wait_for_requests(2).await;
        assert!(sessions.delete(&id, &user("ann", &[])).await.unwrap());
    });
    assert_eq!(slow.outcome.stop_reason, StopReason::Cancelled);
    assert_eq!(world.stored(&slow.execution_id).await.status, ExecutionStatus::Cancelled);
    assert!(world.said(&id).await.is_empty(), "what was deleted stays deleted");
}

fn collector() -> AgentDefinition {
    let mut helper = agent("helper");
    let schema = json!({
        "type": "object", "required": ["city"], "properties": {"city": {"type": "string"}},
    });
    helper.input_schema = Some(Arc::new(schema));
    helper
}

fn input(value: serde_json::Value) -> JsonMap {
    match value {
        serde_json::Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

#[tokio::test]
async fn input_is_attached_to_the_session_and_may_be_incomplete() {
    let world = World::new([collector()], ScriptedModel::always(Reply::text("ok"))).await;
    let id = session(&world.finish(opening("hello")).await);
    world.finish(turn(&id, "to Oslo").input(input(json!({"city": "Oslo"})))).await;
    world.finish(turn(&id, "tomorrow").input(input(json!({"day": 2})))).await;
    let shown = world.model.requests().pop().unwrap().messages;
    assert!(
        matches!(&shown[1], Message::User { content } if content.contains("Oslo") && content.contains("day"))
    );
    let kept = world.gateway.sessions().get(&id, &user("ann", &[])).await.unwrap().unwrap();
    assert_eq!(kept.metadata, input(json!({"city": "Oslo", "day": 2})));
    let wrong = refused(world.submit(turn(&id, "x").input(input(json!({"city": 7})))).await);
    assert!(matches!(wrong, Refusal::InputInvalid(_)), "{wrong}");
    let large = input(json!({"note": "x".repeat(70_000)}));
    assert!(matches!(refused(world.submit(turn(&id, "x").input(large)).await), Refusal::FieldInvalid(_)));
    assert_eq!(world.said(&id).await.len(), 6);
}
