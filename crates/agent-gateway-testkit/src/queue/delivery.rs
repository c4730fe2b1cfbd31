//! Jobs go in, and come out once, in order.
use std::{collections::HashSet, sync::Arc, time::Duration};

use agent_gateway_core::ports::queue::{Depth, ExecutionQueue};
use futures::FutureExt;
use tokio::{task::JoinSet, time::Instant};

use super::{LONG, PATIENCE, QUIET, ask, depth_becomes, enqueued, next, nothing};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq},
};

/// What comes out is what went in, handed out for the first time.
pub async fn an_accepted_job_is_delivered_as_it_was(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let job = enqueued(&queue).await?;
    let leased = next(&queue, LONG).await?;
    ensure_eq!(leased.job, job, "the job that came");
    ensure_eq!(*leased.lease.execution_id(), job.execution_id, "the execution of the lease");
    ensure_eq!(leased.delivery, 1, "the number of the first delivery");
    Ok(())
}

/// First in, first out, over several leases.
pub async fn jobs_come_in_the_order_they_were_accepted(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let mut accepted = Vec::new();
    for _ in 0..12 {
        accepted.push(enqueued(&queue).await?);
    }
    let mut came = Vec::new();
    while came.len() < accepted.len() {
        let taken = queue.lease(ask(5, PATIENCE, LONG)).await?;
        ensure!(!taken.is_empty(), "only {} of 12 jobs came", came.len());
        came.extend(taken.into_iter().map(|leased| leased.job));
    }
    ensure_eq!(came, accepted, "the order of the jobs");
    Ok(())
}

/// `count` is the most; what is left stays for others.
pub async fn a_lease_takes_no_more_than_it_asked_for(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    for _ in 0..3 {
        enqueued(&queue).await?;
    }
    let first = queue.lease(ask(2, PATIENCE, LONG)).await?;
    ensure!((1..=2).contains(&first.len()), "a lease of at most 2 jobs holds {}", first.len());
    let rest = queue.lease(ask(10, PATIENCE, LONG)).await?;
    ensure!(!rest.is_empty(), "the jobs that the first lease left should come");
    Ok(())
}

/// The wait is a wait, and its end is an empty list.
pub async fn an_empty_queue_answers_nothing_after_the_wait(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let (start, wait) = (Instant::now(), Duration::from_millis(500));
    nothing(&queue, wait, "the queue is empty").await?;
    let took = start.elapsed();
    ensure!(took >= wait / 2, "an empty queue should be waited for {wait:?}, it answered after {took:?}");
    ensure!(took < PATIENCE, "a wait of {wait:?} took {took:?}");
    let start = Instant::now();
    nothing(&queue, Duration::ZERO, "the queue is empty").await?;
    ensure!(start.elapsed() < PATIENCE, "a lease that does not wait took {:?}", start.elapsed());
    Ok(())
}

/// A worker that waits gets the job when it comes, not when its wait is over.
pub async fn a_waiting_lease_is_woken_by_a_job(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let start = Instant::now();
    let later = async {
        tokio::time::sleep(QUIET).await;
        enqueued(&queue).await
    };
    let (taken, job) = tokio::join!(queue.lease(ask(1, PATIENCE * 2, LONG)), later);
    let came: Vec<_> = taken?.into_iter().map(|leased| leased.job).collect();
    ensure_eq!(came, [job?], "what the waiting lease got");
    ensure!(start.elapsed() < PATIENCE, "the waiting lease was woken only after {:?}", start.elapsed());
    Ok(())
}

/// Many workers at once: every job is handed out, each one to one worker.
pub async fn two_leases_never_hold_the_same_job(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    const JOBS: usize = 60;
    let (queue, _guard) = fixture.fresh().await?;
    for _ in 0..JOBS {
        enqueued(&queue).await?;
    }
    let mut workers = JoinSet::new();
    for number in 0..6 {
        let queue = Arc::clone(&queue);
        workers.spawn(async move {
            let mut mine = Vec::new();
            loop {
                let mut request = ask(3, QUIET, LONG);
                request.worker = format!("testkit-{number}");
                let taken = queue.lease(request).await?;
                if taken.is_empty() {
                    return Ok::<_, agent_gateway_core::Error>(mine);
                }
                mine.extend(taken.into_iter().map(|leased| leased.job.execution_id));
            }
        });
    }
    let mut held = Vec::new();
    while let Some(mine) = workers.join_next().await {
        held.extend(mine.map_err(|error| broken(format!("a worker stopped: {error}")))??);
    }
    let different: HashSet<_> = held.iter().collect();
    ensure_eq!(held.len(), different.len(), "leases compared with the jobs they hold");
    ensure_eq!(held.len(), JOBS, "how many of the jobs were handed out");
    Ok(())
}

/// A worker that stops waiting leaves the jobs to others, whatever came meanwhile.
pub async fn a_dropped_lease_takes_nothing(fixture: &impl Fixture<dyn ExecutionQueue>) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    let mut waiting = queue.lease(ask(1, PATIENCE, LONG));
    let early = tokio::time::timeout(QUIET, &mut waiting).await;
    ensure!(early.is_err(), "a lease of an empty queue should wait, it answered {early:?}");
    let job = enqueued(&queue).await?;
    drop(waiting);
    let leased = next(&queue, LONG).await?;
    ensure_eq!(leased.job, job, "the job after a waiting lease was dropped");
    ensure_eq!(leased.delivery, 1, "the delivery after a waiting lease was dropped");

    // Dropped again and again in the middle of taking.
    let job = enqueued(&queue).await?;
    for _ in 0..20 {
        let mut taking = queue.lease(ask(1, PATIENCE, LONG));
        if let Some(taken) = (&mut taking).now_or_never() {
            let came: Vec<_> = taken?.into_iter().map(|leased| (leased.job, leased.delivery)).collect();
            ensure_eq!(came, [(job, 1)], "what came after leases were dropped");
            return Ok(());
        }
        drop(taking);
    }
    let leased = next(&queue, LONG).await?;
    ensure_eq!((leased.job, leased.delivery), (job, 1), "what came after leases were dropped");
    Ok(())
}

/// Ready jobs and leased jobs are counted where they are, after a moment at most.
pub async fn depth_tells_ready_and_leased_jobs_apart(
    fixture: &impl Fixture<dyn ExecutionQueue>,
) -> CaseResult {
    let (queue, _guard) = fixture.fresh().await?;
    for _ in 0..3 {
        enqueued(&queue).await?;
    }
    let leased = next(&queue, LONG).await?;
    depth_becomes(&queue, Depth { ready: 2, leased: 1, ..Depth::default() }).await?;
    queue.complete(leased.lease).await?;
    depth_becomes(&queue, Depth { ready: 2, ..Depth::default() }).await
}
