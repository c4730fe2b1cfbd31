//! A lease is the right to settle one delivery, for its time.
use std::time::Duration;

use agent_gateway_core::{
    ErrorKind,
    ports::queue::{ExecutionQueue, Lease, Redelivery},
};
use tokio::time::Instant;

use super::{LONG, QUIET, SHORT, copy, enqueued, next, nothing};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq, expect_kind},
};

/// Completing is for good, also when the time of the lease is over.
pub async fn a_completed_job_is_never_delivered_again(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    enqueued(&queue).await?;
    let leased = next(&queue, SHORT).await?;
    queue.complete(leased.lease).await?;
    nothing(&queue, SHORT + QUIET, "a completed job must not come again").await
}

/// What a worker did not settle in its time is handed out again, and says so.
pub async fn an_expired_lease_is_redelivered(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let start = Instant::now();
    let first = next(&queue, SHORT).await?;
    let second = next(&queue, LONG).await?;
    let took = start.elapsed();
    ensure_eq!(second.job, job, "the redelivered job");
    ensure_eq!(second.delivery, 2, "the number of the second delivery");
    ensure!(took >= SHORT / 2, "a lease of {SHORT:?} was given to another after {took:?}");
    ensure!(first.lease != second.lease, "the second lease is a right of its own");
    Ok(())
}

/// A worker that comes too late can do nothing to the delivery of another.
pub async fn an_expired_lease_settles_nothing(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    enqueued(&queue).await?;
    let late = next(&queue, SHORT).await?.lease;
    let held = next(&queue, LONG).await?.lease;
    expect_kind(queue.extend(&late, LONG).await, ErrorKind::Conflict, "extending an expired lease")?;
    expect_kind(queue.complete(copy(&late)).await, ErrorKind::Conflict, "completing an expired lease")?;
    let release = queue.release(copy(&late), Redelivery::Now).await;
    expect_kind(release, ErrorKind::Conflict, "releasing an expired lease")?;
    let release = queue.release(late, Redelivery::Dead("late".to_owned())).await;
    expect_kind(release, ErrorKind::Conflict, "giving up under an expired lease")?;
    nothing(&queue, QUIET, "the job is under the second lease").await?;
    queue.complete(held).await?;
    Ok(())
}

/// A worker that is still at it keeps its job.
pub async fn extending_keeps_the_lease(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    enqueued(&queue).await?;
    let leased = next(&queue, Duration::from_secs(1)).await?;
    queue.extend(&leased.lease, LONG).await?;
    nothing(&queue, Duration::from_millis(1500), "the lease was extended").await?;
    queue.complete(leased.lease).await?;
    Ok(())
}

/// A right is used up when it was used.
pub async fn a_settled_lease_is_a_conflict(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    enqueued(&queue).await?;
    let leased = next(&queue, LONG).await?.lease;
    let again = copy(&leased);
    queue.complete(leased).await?;
    expect_kind(queue.extend(&again, LONG).await, ErrorKind::Conflict, "extending a settled lease")?;
    expect_kind(queue.complete(copy(&again)).await, ErrorKind::Conflict, "completing a settled lease")?;
    let release = queue.release(again, Redelivery::Now).await;
    expect_kind(release, ErrorKind::Conflict, "releasing a settled lease")?;
    nothing(&queue, QUIET, "a settled job must not come again").await
}

/// Knowing the execution is no right to settle its delivery.
pub async fn a_forged_lease_settles_nothing(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let held = next(&queue, LONG).await?.lease;
    for token in ["", "0", "forged", &format!("{}0", held.token())] {
        let forged = Lease::new(job.execution_id.clone(), token);
        expect_kind(queue.extend(&forged, LONG).await, ErrorKind::Conflict, "extending a forged lease")?;
        expect_kind(queue.complete(forged).await, ErrorKind::Conflict, "completing a forged lease")?;
    }
    queue.complete(held).await?;
    Ok(())
}
