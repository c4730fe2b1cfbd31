//! Requests that come twice.
use std::sync::Arc;

use agent_gateway_core::{
    execution::{ExecutionRequest, Mode, Thread},
    id::IdempotencyKey,
};
use agent_gateway_runtime::{Refusal, Submitted};
use agent_gateway_testkit::scripted::{Reply, ScriptedModel};

use crate::world::{World, all, request, text, user};

fn keyed(request: ExecutionRequest) -> ExecutionRequest {
    request.idempotency_key(IdempotencyKey::new("key-1").unwrap())
}

#[tokio::test]
async fn the_same_request_runs_once_and_is_answered_alike() {
    let world = World::helper([Reply::text("once")]).await;
    let first = world.finish(keyed(request("helper", "hello"))).await;
    let second = world.finish(keyed(request("helper", "hello"))).await;
    assert_eq!((first.execution_id, first.outcome), (second.execution_id, second.outcome));
    assert_eq!(world.model.requests().len(), 1);
    // Another process knows it too.
    let other = world.with_model(Arc::new(ScriptedModel::new([]))).await;
    assert!(matches!(
        other.executions().submit(keyed(request("helper", "hello"))).await,
        Ok(Submitted::Finished(_))
    ));
}

#[tokio::test]
async fn a_caller_whose_line_broke_comes_back_for_the_answer() {
    let world = World::helper([Reply::text("slow").after(std::time::Duration::from_millis(50))]).await;
    let executions = world.gateway.executions();
    let mut broken = Box::pin(executions.submit(keyed(request("helper", "hello"))));
    tokio::select! {
        _ = &mut broken => panic!("it answered too early"),
        () = world.model.wait_for_requests(1) => {}
    }
    drop(broken);
    let done = world.finish(keyed(request("helper", "hello"))).await;
    assert_eq!(done.outcome.raw_text, "slow");
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test]
async fn requests_of_the_same_moment_run_once() {
    let world = World::helper([Reply::text("once")]).await;
    let (one, two) = tokio::join!(
        world.finish(keyed(request("helper", "hello").thread(Thread::New))),
        world.finish(keyed(request("helper", "hello").thread(Thread::New))),
    );
    assert_eq!((one.execution_id, one.session_id), (two.execution_id, two.session_id));
    assert_eq!(world.model.requests().len(), 1);
    let query = agent_gateway_core::ports::persistence::ConversationQuery::default();
    let reach = agent_gateway_runtime::Reach::Visible;
    let sessions = world.gateway.sessions().list(&query, &user("ann", &[]), reach, 0, 10).await.unwrap();
    assert_eq!(sessions.len(), 1, "the one that came second leaves no session behind");
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let world = World::helper([Reply::text("once"), Reply::text("hers")]).await;
    world.finish(keyed(request("helper", "hello"))).await;
    for other in [
        request("helper", "hello!"),
        request("helper", "hello").mode(Mode::Detach),
        request("helper", "hello").thread(Thread::New),
    ] {
        let refused = world.submit(keyed(other)).await.unwrap_err();
        assert!(matches!(refused, Refusal::IdempotencyKeyReused), "{refused}");
    }
    // Another caller's key is another key.
    let mut hers = keyed(request("helper", "hello!"));
    hers.principal = user("bea", &["agents:invoke"]);
    assert_eq!(world.finish(hers).await.outcome.raw_text, "hers");
}

#[tokio::test]
async fn queued_runs_and_streams_are_repeated_alike() {
    let world = World::helper([Reply::text("queued"), Reply::text("a b")]).await;
    let queue = || keyed(request("helper", "hello").mode(Mode::Detach));
    let queued = |submitted| match submitted {
        Submitted::Queued(execution) => (execution.id.clone(), execution.status),
        other => panic!("{other:?}"),
    };
    let first = queued(world.submit(queue()).await.unwrap());
    world.ended(&first.0).await;
    assert_eq!(queued(world.submit(queue()).await.unwrap()), first);
    let stream = || request("helper", "hello").idempotency_key(IdempotencyKey::new("key-2").unwrap());
    let one = world.stream(stream()).await;
    let two = world.stream(stream()).await;
    assert_eq!(one.execution_id, two.execution_id);
    let (one, two) = tokio::join!(all(one.events), all(two.events));
    assert_eq!((text(&one).as_str(), text(&two).as_str()), ("a b", "a b"));
    assert_eq!(world.model.requests().len(), 2);
}
