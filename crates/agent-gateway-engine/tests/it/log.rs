//! What stands in the log, and when.
use std::sync::Arc;

use agent_gateway_core::{
    execution::{LogEvent, StopReason},
    tool::ToolRetry,
};
use agent_gateway_testkit::scripted::{FnTool, Reply};
use serde_json::json;

use crate::world::World;

fn kinds<'a>(events: impl IntoIterator<Item = &'a LogEvent>) -> Vec<&'static str> {
    events.into_iter().map(LogEvent::kind).collect()
}

#[tokio::test]
async fn every_turn_and_every_result_is_recorded_before_the_next_thing_happens() {
    let once = FnTool::text("once", "ok").unwrap().with_spec(|spec| spec.retry = ToolRetry::Never);
    let (act, once) = (Arc::new(FnTool::text("act", "ok").unwrap()), Arc::new(once));
    let world = World::new([
        Reply::calls([("act", json!({}))]),
        Reply::calls([("once", json!({}))]),
        Reply::text("end"),
    ]);
    let ended = world.tool(&act).tool(&once);
    let unrecorded = ended.finished().await.1;
    let log = ended.log.events.lock().unwrap().clone();
    assert_eq!(kinds(&log), ["model_turn", "tool_turn", "model_turn", "tool_started", "tool_turn"]);
    // It belongs into the write that ends the run.
    assert!(matches!(unrecorded, Some(LogEvent::ModelTurn(turn)) if &*turn.text == "end"));
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_the_run_and_tells_no_secrets() {
    let act = Arc::new(FnTool::text("act", "ok").unwrap());
    let mut world = World::new([Reply::calls([("act", json!({}))]), Reply::text("never")]).tool(&act);
    world.log.breaks_after = Some(0);
    let outcome = world.outcome().await;
    assert_eq!(outcome.stop_reason, StopReason::Error);
    assert_eq!(outcome.error.as_deref(), Some("the run log could not be written"));
    assert!(act.calls().is_empty(), "a call that is not recorded is not made");
}
