//! Workers: take queued executions and run them.
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    execution::{Advanced, Execution, Transition},
    id::ExecutionId,
    ports::queue::{Lease, LeaseRequest, Leased, Redelivery},
    principal::Principal,
};
use futures::{FutureExt, StreamExt};
use tracing::{Instrument, info_span};

use crate::{
    attempt::{Verdict, judge},
    gateway::Shared,
    run::run,
    unrun::{end_unrun, failed},
};

/// How long an idle worker waits for a job before it looks up.
const WAIT: Duration = Duration::from_secs(20);
/// How long a worker that met an error of the queue rests.
const REST: Duration = Duration::from_secs(1);
/// The longest pause before a job is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Takes jobs until the gateway stops.
pub(crate) async fn work(shared: Arc<Shared>, name: String) {
    let stopping = shared.tasks.stopping().clone();
    loop {
        let visibility = shared.limits.visibility;
        let request = LeaseRequest { worker: name.clone(), count: 1, wait: WAIT, visibility };
        let leased = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            leased = shared.ports.queue.lease(request) => leased,
        };
        match leased {
            Ok(jobs) => {
                for job in jobs {
                    attempt(&shared, job).await;
                }
            }
            Err(error) => {
                tracing::warn!(worker = %name, error = ?error, "the queue does not hand out jobs");
                tokio::select! {
                    () = stopping.cancelled() => return,
                    () = tokio::time::sleep(REST) => {}
                }
            }
        }
    }
}

/// Stops the executions of this process that somebody elsewhere wants stopped.
pub(crate) async fn listen_for_cancellations(shared: Arc<Shared>) {
    let mut cancellations = shared.ports.queue.cancellations();
    let stopping = shared.tasks.stopping().clone();
    while let Some(Some(id)) = stopping.run_until_cancelled(cancellations.next()).await {
        shared.running.cancel(&id);
    }
}

async fn attempt(shared: &Shared, leased: Leased) {
    let Leased { job, lease, delivery } = leased;
    let id = &job.execution_id;
    let work = AssertUnwindSafe(execute(shared, id)).catch_unwind();
    let worked = tokio::select! {
        worked = work => worked.unwrap_or_else(|_| Err(Error::unexpected("a worker panicked"))),
        () = keep(shared, &lease) => {
            // The job is another worker's by now, and so is the execution.
            tracing::warn!(execution_id = %id, "the lease was lost; the work is dropped");
            return;
        }
    };
    let settled = match worked {
        Ok(()) => shared.ports.queue.complete(lease).await,
        Err(error) if error.kind() == ErrorKind::Unavailable && delivery <= shared.limits.max_retries => {
            tracing::warn!(execution_id = %id, delivery, error = ?error, "the job is tried again later");
            shared.ports.queue.release(lease, again(shared, delivery)).await
        }
        Err(error) => {
            tracing::error!(execution_id = %id, delivery, error = ?error, "the job is given up");
            give_up(shared, id).await;
            shared.ports.queue.release(lease, Redelivery::Dead(error.to_string())).await
        }
    };
    if let Err(error) = settled {
        tracing::warn!(execution_id = %id, error = ?error, "the job could not be settled");
    }
}

/// Says that the worker is alive, until the lease is somebody else's. It is polled beside the work, not between its steps.
async fn keep(shared: &Shared, lease: &Lease) {
    loop {
        tokio::time::sleep(shared.limits.visibility / 3).await;
        match shared.ports.queue.extend(lease, shared.limits.visibility).await {
            Err(error) if error.kind() == ErrorKind::Conflict => return,
            Err(error) => tracing::warn!(error = ?error, "the lease could not be extended"),
            Ok(()) => {}
        }
    }
}

/// Doubling pauses, so that a store that is away is not stormed.
fn again(shared: &Shared, delivery: u32) -> Redelivery {
    let pause = Duration::from_secs(1 << delivery.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
    let longest = shared.ports.queue.capability().longest_delay;
    if longest.is_zero() { Redelivery::Now } else { Redelivery::After(pause.min(longest)) }
}

/// A job that is given up leaves no execution behind that waits for ever.
async fn give_up(shared: &Shared, id: &ExecutionId) {
    let ended = async {
        match find(shared, id).await? {
            Some(execution) if !execution.status.is_final() => {
                let outcome = failed("the execution was given up after repeated faults");
                end_unrun(shared, &execution, outcome).await.map(drop)
            }
            _ => Ok(()),
        }
    };
    if let Err(error) = ended.await {
        tracing::error!(execution_id = %id, error = ?error, "a given-up execution could not be ended");
    }
}

async fn find(shared: &Shared, id: &ExecutionId) -> Result<Option<Execution>> {
    shared.ports.persistence.executions().get(id, &Principal::system().visibility()).await
}

/// Runs a queued execution. One that ended meanwhile needs nothing more.
async fn execute(shared: &Shared, id: &ExecutionId) -> Result<()> {
    // The place is taken first, so that a cancellation from here on finds it.
    let seat = shared.running.work(id);
    let Some(execution) = find(shared, id).await? else {
        return Err(Error::not_found("the queue names an execution that is not stored").with("execution", id));
    };
    if execution.status.is_final() {
        return Ok(());
    }
    let keeper = shared.keeper();
    let (before, fence) = (execution.fence, execution.fence.next());
    let mut attempt = match judge(shared, execution.clone()).await? {
        Verdict::Run(attempt) => attempt,
        Verdict::End(outcome) => return end_unrun(shared, &execution, *outcome).await.map(drop),
    };
    let start = Transition::Start { fence, instance: keeper, at: shared.ports.clock.now() };
    if let Advanced::Refused { .. } =
        shared.ports.persistence.executions().advance(id, before, &start).await?
    {
        return Ok(());
    }
    attempt.execution.fence = fence;
    let span = info_span!("execution", %id);
    run(shared, *attempt, &seat).instrument(span).await.map(drop)
}
