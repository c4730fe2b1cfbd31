//! From preparing to closing, and across a restart.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    capability::Durability,
    ports::queue::{ExecutionQueue, Redelivery},
};
use futures::StreamExt;
use tokio::time::Instant;

use super::{LONG, PATIENCE, QUIET, SHORT, ask, copy, enqueued, job, next};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind, skipped},
};

/// Preparing what is prepared changes nothing.
pub async fn preparing_again_keeps_the_jobs(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let (first, second) = tokio::join!(queue.prepare(), queue.prepare());
    first?;
    second?;
    ensure_eq!(next(&queue, LONG).await?.job, job, "the job after preparing again");
    Ok(())
}

/// The same world through another handle, or the reason why there is none.
async fn reopened<F: Fixture<dyn ExecutionQueue>>(
    fixture: &F,
    queue: Arc<dyn ExecutionQueue>,
    guard: &F::Guard,
) -> Result<Arc<dyn ExecutionQueue>, Finding> {
    let durability = queue.capability().durability;
    ensure_eq!(queue.info().durability, durability, "the durability that `info` and `capability` state");
    // The handle goes without a word, as in a crash.
    drop(queue);
    match (fixture.reopen(guard).await?, durability) {
        (Some(again), _) => Ok(again),
        (None, Durability::Process) => Err(skipped("the queue does not outlive its process")),
        (None, Durability::Durable) => Err(broken("the queue says it is durable, and cannot be reopened")),
    }
}

/// What was accepted is still there.
pub async fn accepted_jobs_survive_a_reopen(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let queue = reopened(fixture, queue, &guard).await?;
    ensure_eq!(next(&queue, LONG).await?.job, job, "the job after a reopen");
    Ok(())
}

/// What a worker held when it died is handed out again.
pub async fn jobs_of_a_lost_worker_survive_a_reopen(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let lost = next(&queue, SHORT).await?;
    ensure_eq!(lost.job, job, "the leased job");
    let queue = reopened(fixture, queue, &guard).await?;
    let again = next(&queue, LONG).await?;
    ensure_eq!((again.job, again.delivery), (job, 2), "the job after its worker died");
    Ok(())
}

/// Whoever waits for jobs is sent away when the queue closes.
pub async fn closing_wakes_waiting_leases(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let start = Instant::now();
    let closing = async {
        tokio::time::sleep(QUIET).await;
        queue.close().await
    };
    let (taken, closed) = tokio::join!(queue.lease(ask(1, PATIENCE * 2, LONG)), closing);
    closed?;
    ensure!(start.elapsed() < PATIENCE, "a waiting lease was woken only after {:?}", start.elapsed());
    expect_kind(taken, ErrorKind::Unavailable, "a lease that waited while the queue closed")
}

/// After closing there is nothing more, and closing again is fine.
pub async fn a_closed_queue_is_unavailable(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    enqueued(&queue).await?;
    let lease = next(&queue, LONG).await?.lease;
    let mut listener = queue.cancellations();
    queue.close().await?;
    queue.close().await?;
    let gone = ErrorKind::Unavailable;
    expect_kind(queue.enqueue(&job()).await, gone, "`enqueue` after closing")?;
    expect_kind(queue.lease(ask(1, QUIET, LONG)).await, gone, "`lease` after closing")?;
    expect_kind(queue.extend(&lease, LONG).await, gone, "`extend` after closing")?;
    expect_kind(queue.complete(copy(&lease)).await, gone, "`complete` after closing")?;
    expect_kind(queue.release(copy(&lease), Redelivery::Now).await, gone, "`release` after closing")?;
    expect_kind(queue.request_cancel(lease.execution_id()).await, gone, "`request_cancel` after closing")?;
    expect_kind(queue.depth().await, gone, "`depth` after closing")?;
    let heard = tokio::time::timeout(PATIENCE, listener.next()).await;
    ensure!(matches!(heard, Ok(None)), "a listener should end with the queue, it heard {heard:?}");
    Ok(())
}
