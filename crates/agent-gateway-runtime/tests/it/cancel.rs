//! Stopping runs.
use agent_gateway_core::{
    clock::{Clock, SystemClock},
    execution::{Execution, ExecutionQuery, ExecutionStatus, Fence},
    id::{AgentId, ExecutionId},
    page::PageRequest,
    ports::persistence::PersistenceBackend,
};
use agent_gateway_runtime::{CancelOutcome, Refusal};
use agent_gateway_testkit::scripted::Reply;

use crate::world::{World, request, user};

async fn only_execution(world: &World) -> ExecutionId {
    let all = world.gateway.executions();
    let page =
        all.list(&ExecutionQuery::default(), &user("root", &["*"]), PageRequest::default()).await.unwrap();
    page.items[0].id.clone()
}

#[tokio::test]
async fn cancelling_stops_the_model_call_and_is_final() {
    let world = World::helper([Reply::hang()]).await;
    let executions = world.gateway.executions();
    let (done, id) = tokio::join!(world.finish(request("helper", "hello")), async {
        world.model.wait_for_requests(1).await;
        let id = only_execution(&world).await;
        assert_eq!(executions.cancel(&id, &user("bob", &[])).await.unwrap(), CancelOutcome::NotFound);
        assert_eq!(executions.cancel(&id, &user("ann", &[])).await.unwrap(), CancelOutcome::Requested);
        id
    });
    assert_eq!(done.execution_id, id);
    world.model.wait_for_dropped(1).await;
    assert_eq!(world.stored(&id).await.status, ExecutionStatus::Cancelled);
    let again = executions.cancel(&id, &user("ann", &[])).await.unwrap();
    assert_eq!(again, CancelOutcome::AlreadyFinal(ExecutionStatus::Cancelled));
    let unknown = executions.cancel(&ExecutionId::generate(), &user("root", &["*"])).await.unwrap();
    assert_eq!(unknown, CancelOutcome::NotFound);
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_the_run_and_it_is_recorded() {
    let world = World::helper([Reply::hang()]).await;
    tokio::select! {
        _ = world.submit(request("helper", "hello")) => panic!("the model never answers"),
        () = world.model.wait_for_requests(1) => {}
    }
    world.model.wait_for_dropped(1).await;
    let id = only_execution(&world).await;
    assert_eq!(world.ended(&id).await.status, ExecutionStatus::Cancelled);
}

#[tokio::test]
async fn a_gateway_that_stops_takes_nothing_new() {
    let world = World::helper([Reply::text("ok")]).await;
    world.gateway.shutdown().await.unwrap();
    assert!(matches!(world.submit(request("helper", "hi")).await, Err(Refusal::ShuttingDown)));
    world.gateway.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_execution_that_a_dead_process_left_running_can_be_ended() {
    let world = World::helper([]).await;
    let (id, now) = (ExecutionId::generate(), SystemClock.now());
    let mut left = Execution::new(id.clone(), AgentId::new("helper").unwrap(), "hello", now);
    (left.status, left.fence) = (ExecutionStatus::Running, Fence(1));
    world.store.executions().create(&left).await.unwrap();
    let root = user("root", &["*"]);
    assert_eq!(world.gateway.executions().cancel(&id, &root).await.unwrap(), CancelOutcome::Requested);
    assert_eq!(world.stored(&id).await.status, ExecutionStatus::Cancelled);
}
