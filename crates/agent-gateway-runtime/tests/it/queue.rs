//! Queued executions.
use agent_gateway_core::{
    agent::ExecutionMode,
    execution::{ExecutionStatus, Mode},
};
use agent_gateway_runtime::{CancelOutcome, Submitted};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};

use crate::world::{World, agent, request, user};

async fn queue(world: &World, mode: Mode) -> agent_gateway_core::execution::Execution {
    match world.submit(request("helper", "hello").mode(mode)).await.unwrap() {
        Submitted::Queued(execution) => execution,
        Submitted::Finished(done) => panic!("it ran at once: {done:?}"),
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
