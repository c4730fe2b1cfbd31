//! A run that goes on from the log of an earlier attempt.
use std::sync::Arc;

use agent_gateway_core::{
    JsonMap, Timestamp,
    approval::{ApprovalStatus, AskedCall},
    execution::{Cursor, LogEntry, LogEvent, StopReason},
    id::ApprovalId,
    message::Message,
    tool::{Approval, ToolRetry},
};
use agent_gateway_engine::Past;
use agent_gateway_testkit::scripted::{FnTool, Reply};
use serde_json::json;

use crate::world::World;

fn entries(events: &[LogEvent]) -> Vec<LogEntry> {
    let entry = |(event, sequence): (&LogEvent, u64)| LogEntry {
        sequence: Cursor(sequence),
        at: Timestamp::UNIX_EPOCH,
        event: event.clone(),
    };
    events.iter().zip(1..).map(entry).collect()
}

/// Texts, calls and results in the order in which the model sees them, without the system prompt, which holds the time.
fn conversation(world: &World) -> Vec<Message> {
    world.requests().pop().unwrap().messages[1..].to_vec()
}

fn script() -> [Reply; 4] {
    [
        Reply::text("first").call("act", &json!({"n": 1})).call("act", &json!({"n": 2})),
        Reply::calls([("act", json!({"n": 3})), ("unknown", json!({}))]),
        Reply::calls([("act", json!({"n": 4}))]),
        Reply::text("end"),
    ]
}

#[tokio::test]
async fn wherever_an_attempt_is_cut_off_the_next_one_comes_to_the_same_end() {
    let whole = World::new(script()).tool(&Arc::new(FnTool::text("act", "ok").unwrap()));
    let expected = whole.outcome().await;
    let log = whole.log.events.lock().unwrap().clone();
    assert!(log.len() >= 6);
    for cut in 0..=log.len() {
        let kept = &log[..cut];
        let turns = kept.iter().filter(|event| matches!(event, LogEvent::ModelTurn(_))).count();
        let done = kept
            .iter()
            .filter(|event| matches!(event, LogEvent::ToolTurn(turn) if &*turn.name == "act"))
            .count();
        let act = Arc::new(FnTool::text("act", "ok").unwrap());
        let mut again = World::new(script().into_iter().skip(turns)).tool(&act);
        again.past = Past::read(entries(kept)).unwrap();
        let mut outcome = again.outcome().await;
        outcome.usage.duration_ms = expected.usage.duration_ms;
        assert_eq!(outcome, expected, "cut after {cut}");
        assert_eq!(conversation(&again), conversation(&whole), "cut after {cut}");
        assert_eq!(act.calls().len(), 4 - done, "what was answered is not called again, cut after {cut}");
    }
}

#[tokio::test]
async fn a_call_that_may_have_happened_forbids_another_attempt() {
    let act = Arc::new(FnTool::text("act", "ok").unwrap().with_spec(|spec| spec.retry = ToolRetry::Never));
    let world = World::new([Reply::calls([("act", json!({}))]), Reply::text("end")]).tool(&act);
    world.run().await;
    let log = world.log.events.lock().unwrap().clone();
    assert!(Past::read(entries(&log)).is_ok());
    let under_way = Past::read(entries(&log[..2])).unwrap_err();
    assert_eq!(&*under_way.tool, "act");
}

#[tokio::test]
async fn an_answer_that_missed_its_schema_keeps_its_one_more_chance() {
    let schema = json!({"type": "object"});
    let mut world = World::new([Reply::text("no"), Reply::text("{}")]);
    world.output = Some(schema.clone());
    world.run().await;
    let log = world.log.events.lock().unwrap().clone();
    let mut again = World::new([Reply::text("{}")]);
    again.output = Some(schema);
    again.past = Past::read(entries(&log)).unwrap();
    let outcome = again.outcome().await;
    assert_eq!((outcome.stop_reason, outcome.output), (StopReason::Completed, Some(json!({}))));
    assert_eq!(conversation(&again), conversation(&world));
}

#[tokio::test]
async fn a_person_agrees_to_a_tool_and_not_to_whatever_has_its_place_by_now() {
    let arguments: JsonMap = [("n".to_owned(), json!(1))].into_iter().collect();
    let asked = AskedCall { call_id: "call_0".into(), tool: "quote".into(), arguments, question: None };
    let guarded = |name: &str| {
        let tool = FnTool::text(name, "done").unwrap();
        Arc::new(tool.with_spec(|spec| spec.approval = Approval::Required))
    };
    for (name, is_called) in [("quote", true), ("transfer", false)] {
        let first = World::new([Reply::calls([(name, json!({"n": 1}))])]).tool(&guarded(name));
        first.suspension().await;
        let mut log = first.log.events.lock().unwrap().clone();
        let (approval_id, call_id) = (ApprovalId::generate(), asked.call_id.clone());
        let call = asked.clone();
        let expires_at = Timestamp::MAX;
        log.push(LogEvent::ApprovalRequested { approval_id: approval_id.clone(), call, expires_at });
        let status = ApprovalStatus::Approved;
        log.push(LogEvent::ApprovalSettled { approval_id, call_id, status, decision: None });
        let tool = guarded(name);
        let mut again = World::new([Reply::text("end")]).tool(&tool);
        again.past = Past::read(entries(&log)).unwrap();
        if is_called {
            again.outcome().await;
        } else {
            assert_eq!(&*again.suspension().await.calls[0].tool, name);
        }
        assert_eq!(tool.calls().len(), usize::from(is_called), "{name}");
    }
}
