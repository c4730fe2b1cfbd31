//! What every [`ExecutionQueue`] keeps: at-least-once delivery under leases that fence.
//!
//! ```ignore
//! agent_gateway_testkit::queue_suite!(Fresh); // one #[tokio::test] per case
//! queue::conforms(&Fresh).await.into_result()?; // or all of them, in a script
//! ```
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    clock::{Clock, SystemClock},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased},
};

use tokio::time::Instant;

use crate::{
    fixture::Fixture,
    suite::{Finding, broken, ensure, suite},
};

pub mod cancellation;
pub mod delivery;
pub mod leases;
pub mod life;
pub mod redelivery;

suite!($ queue, queue_suite, [Fixture<dyn ExecutionQueue>], {
    delivery: [
        an_accepted_job_is_delivered_as_it_was,
        jobs_come_in_the_order_they_were_accepted,
        a_lease_takes_no_more_than_it_asked_for,
        an_empty_queue_answers_nothing_after_the_wait,
        a_waiting_lease_is_woken_by_a_job,
        two_leases_never_hold_the_same_job,
        a_dropped_lease_takes_nothing,
        depth_tells_ready_and_leased_jobs_apart,
    ],
    leases: [
        a_completed_job_is_never_delivered_again,
        an_expired_lease_is_redelivered,
        an_expired_lease_settles_nothing,
        extending_keeps_the_lease,
        a_settled_lease_is_a_conflict,
        a_forged_lease_settles_nothing,
    ],
    redelivery: [
        a_released_job_comes_back_at_once,
        a_delayed_job_comes_back_when_it_is_due,
        a_delay_over_the_longest_is_unsupported,
        a_dead_job_never_comes_back,
    ],
    cancellation: [
        every_listener_hears_a_cancellation,
        a_cancellation_needs_no_listener,
    ],
    life: [
        preparing_again_keeps_the_jobs,
        accepted_jobs_survive_a_reopen,
        jobs_of_a_lost_worker_survive_a_reopen,
        closing_wakes_waiting_leases,
        a_closed_queue_is_unavailable,
    ],
});

/// How long a lease lasts that is meant to run out.
const SHORT: Duration = Duration::from_millis(600);
/// How long a lease lasts that is meant to be settled.
const LONG: Duration = Duration::from_secs(120);
/// How long a job may take to come that must come.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long nothing may come that must not come, after what could have brought it.
const QUIET: Duration = Duration::from_millis(300);

fn job() -> Job {
    Job::new(ExecutionId::generate(), SystemClock.now())
}

fn ask(count: usize, wait: Duration, visibility: Duration) -> LeaseRequest {
    LeaseRequest { worker: "testkit".to_owned(), count, wait, visibility }
}

/// Puts one new job in.
async fn enqueued(queue: &Arc<dyn ExecutionQueue>) -> Result<Job, Finding> {
    let job = job();
    queue.enqueue(&job).await?;
    Ok(job)
}

/// The one job that must come.
async fn next(queue: &Arc<dyn ExecutionQueue>, visibility: Duration) -> Result<Leased, Finding> {
    let mut taken = queue.lease(ask(1, PATIENCE, visibility)).await?;
    match (taken.pop(), taken.is_empty()) {
        (Some(leased), true) => Ok(leased),
        (None, _) => Err(broken(format!("a job should come, and none did in {PATIENCE:?}"))),
        (Some(_), false) => Err(broken("a lease of one job holds several")),
    }
}

/// Finds a broken contract when something comes within `wait`.
async fn nothing(queue: &Arc<dyn ExecutionQueue>, wait: Duration, why: &str) -> Result<(), Finding> {
    match queue.lease(ask(1, wait, LONG)).await?.first() {
        None => Ok(()),
        Some(leased) => {
            Err(broken(format!("{why}, and it came (delivery {}): {:?}", leased.delivery, leased.job)))
        }
    }
}

/// Finds a broken contract when the depth is not `wanted` after a while; it may be behind for a moment.
async fn depth_becomes(queue: &Arc<dyn ExecutionQueue>, wanted: Depth) -> Result<(), Finding> {
    let end = Instant::now() + PATIENCE;
    loop {
        let depth = queue.depth().await?;
        if depth == wanted {
            return Ok(());
        }
        ensure!(Instant::now() < end, "the depth should become {wanted:?}, it stays {depth:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The same right a second time, as a worker would have it that comes too late.
fn copy(lease: &Lease) -> Lease {
    Lease::new(lease.execution_id().clone(), lease.token())
}
