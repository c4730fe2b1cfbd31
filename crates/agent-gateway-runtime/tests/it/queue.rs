//! Queued executions.
use std::sync::Arc;

use agent_gateway_core::{
    agent::ExecutionMode,
    clock::{Clock, SystemClock},
    config::ToolVisibility,
    execution::{Cursor, Execution, ExecutionStatus, Fence, LogEntry, LogEvent, Mode, ModelTurn, Transition},
    id::{AgentId, ExecutionId, ModelName},
    message::{Arguments, TokenUsage, ToolCall},
    ports::{
        persistence::PersistenceBackend,
        queue::{ExecutionQueue, Job},
    },
};
use agent_gateway_runtime::{CancelOutcome, Submitted};
use agent_gateway_testkit::scripted::{FnTool, Reply, ScriptedModel};

use crate::world::{Source, World, agent, request, user};

async fn queue(world: &World, mode: Mode) -> Execution {
    match world.submit(request("helper", "hello").mode(mode)).await.unwrap() {
        Submitted::Queued(execution) => *execution,
        other => panic!("it ran at once: {other:?}"),
    }
}

#[tokio::test]
async fn a_worker_runs_a_queued_execution_for_its_owner() {
    let world = World::helper([Reply::text("later")]).await;
    let queued = queue(&world, Mode::Detach).await;
    assert_eq!(queued.status, ExecutionStatus::Queued);
    let ended = world.ended(&queued.id).await;
    assert_eq!((ended.status, ended.fence.0), (ExecutionStatus::Completed, 1));
    assert_eq!(ended.user_id.unwrap().as_str(), "ann");
    assert_eq!(world.log(&queued.id).await.len(), 2);
}

#[tokio::test]
async fn an_async_agent_is_queued_unless_the_caller_waits_in_this_process() {
    let mut slow = agent("helper");
    slow.execution_mode = ExecutionMode::Async;
    let world = World::new([slow], ScriptedModel::new([Reply::text("a"), Reply::text("b")])).await;
    let queued = queue(&world, Mode::AsAgent).await;
    assert_eq!(world.ended(&queued.id).await.status, ExecutionStatus::Completed);
    let done = world.finish(request("helper", "hello").mode(Mode::Wait)).await;
    assert_eq!(done.outcome.raw_text, "b");
}

#[tokio::test]
async fn a_queued_execution_can_be_cancelled_while_it_runs() {
    let world = World::helper([Reply::hang()]).await;
    let queued = queue(&world, Mode::Detach).await;
    world.model.wait_for_requests(1).await;
    let outcome = world.gateway.executions().cancel(&queued.id, &user("ann", &[])).await.unwrap();
    assert_eq!(outcome, CancelOutcome::Requested);
    assert_eq!(world.ended(&queued.id).await.status, ExecutionStatus::Cancelled);
}

/// Leaves an execution as a worker does that died after it had recorded `event`, and hands it out again.
async fn cut_off(world: &World, event: LogEvent) -> ExecutionId {
    let executions = world.store.executions();
    let (id, now) = (ExecutionId::generate(), SystemClock.now());
    let execution = Execution::new(id.clone(), AgentId::new("helper").unwrap(), "hello", now);
    executions.create(&execution).await.unwrap();
    let start = Transition::Start { fence: Fence(1), instance: None, at: now };
    executions.advance(&id, Fence::NONE, &start).await.unwrap();
    let left = LogEntry { sequence: Cursor(1), at: now, event };
    executions.append(&id, Fence(1), &[left]).await.unwrap();
    world.queue.enqueue(&Job::new(id.clone(), now)).await.unwrap();
    id
}

async fn kinds(world: &World, id: &ExecutionId) -> Vec<&'static str> {
    world.log(id).await.iter().map(|entry| entry.event.kind()).collect()
}

#[tokio::test]
async fn a_second_attempt_goes_on_behind_the_log_of_the_first() {
    let act = Arc::new(FnTool::text("act", "done").unwrap());
    let (source, tool) = (Source::with([agent("helper")]), act.clone());
    let world = World::start(source, ScriptedModel::new([Reply::text("second")]), |mut recipe| {
        recipe.visibility = ToolVisibility::All;
        recipe.code_tools.push(tool);
        recipe
    })
    .await;
    let call = ToolCall { id: "c".into(), name: "act".into(), arguments: Arguments::parse("{}") };
    let turn = ModelTurn {
        model: ModelName::new("scripted/one").unwrap(),
        text: "first".into(),
        tool_calls: vec![call],
        tokens: TokenUsage::default(),
        cost_usd: None,
        duration_ms: 1,
        within: None,
    };
    let id = cut_off(&world, LogEvent::ModelTurn(turn)).await;
    let ended = world.ended(&id).await;
    assert_eq!((ended.status, ended.fence), (ExecutionStatus::Completed, Fence(2)));
    assert_eq!(kinds(&world, &id).await, ["model_turn", "reset", "tool_turn", "model_turn", "finished"]);
    assert_eq!(act.calls().len(), 1);
}

#[tokio::test]
async fn what_was_cut_off_in_a_tool_is_not_run_again() {
    let world = World::helper([Reply::text("never")]).await;
    let id = cut_off(&world, LogEvent::ToolStarted { call_id: "c".into(), name: "t".into() }).await;
    let ended = world.ended(&id).await;
    assert_eq!(ended.status, ExecutionStatus::Failed);
    assert!(ended.error.unwrap().contains("interrupted while the tool 't'"));
    assert_eq!(kinds(&world, &id).await, ["tool_started", "finished"]);
    assert!(world.model.requests().is_empty());
}
