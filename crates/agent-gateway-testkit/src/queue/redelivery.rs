//! A job that a worker gives back.
use std::time::Duration;

use agent_gateway_core::{
    ErrorKind,
    ports::queue::{Depth, ExecutionQueue, Redelivery},
};
use tokio::time::Instant;

use super::{LONG, PATIENCE, QUIET, SHORT, depth_becomes, enqueued, next, nothing};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq, expect_kind, skipped},
};

/// Given back now, it comes now, and says that it came before.
pub async fn a_released_job_comes_back_at_once(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    for delivery in 1..=3 {
        let leased = next(&queue, LONG).await?;
        ensure_eq!((&leased.job, leased.delivery), (&job, delivery), "the released job");
        queue.release(leased.lease, Redelivery::Now).await?;
    }
    Ok(())
}

/// A declared ability to delay works, neither early nor never; an undeclared one is `Unsupported`.
pub async fn a_delayed_job_comes_back_when_it_is_due(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let leased = next(&queue, LONG).await?;
    let delay = Duration::from_secs(1);
    let start = Instant::now();
    let released = queue.release(leased.lease, Redelivery::After(delay)).await;
    if queue.capability().longest_delay.is_zero() {
        return expect_kind(released, ErrorKind::Unsupported, "a delay where none is declared");
    }
    released?;
    nothing(&queue, delay / 3, "the delay is not over").await?;
    let again = next(&queue, LONG).await?;
    let took = start.elapsed();
    ensure_eq!((again.job, again.delivery), (job, 2), "the delayed job");
    ensure!(took >= delay - Duration::from_millis(50), "a delay of {delay:?} ended after {took:?}");
    ensure!(took < delay + PATIENCE / 2, "a delay of {delay:?} took {took:?}");
    Ok(())
}

/// A delay that cannot be kept is refused, not cut short.
pub async fn a_delay_over_the_longest_is_unsupported(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let Some(over) = queue.capability().longest_delay.checked_add(Duration::from_secs(1)) else {
        return Err(skipped("the queue declares no longest delay"));
    };
    enqueued(&queue).await?;
    let leased = next(&queue, LONG).await?;
    let released = queue.release(leased.lease, Redelivery::After(over)).await;
    expect_kind(released, ErrorKind::Unsupported, "a delay over the longest")
}

/// A job given up is gone from the workers' sight, and counted.
pub async fn a_dead_job_never_comes_back(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    enqueued(&queue).await?;
    let leased = next(&queue, SHORT).await?;
    queue.release(leased.lease, Redelivery::Dead("it failed three times".to_owned())).await?;
    nothing(&queue, SHORT + QUIET, "a dead job must not come again").await?;
    depth_becomes(&queue, Depth { dead: 1, ..Depth::default() }).await
}
