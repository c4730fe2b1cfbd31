//! Workers: take queued executions and run them.
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    execution::{Advanced, Execution, ExecutionStatus, Transition},
    id::ExecutionId,
    ports::queue::{Lease, LeaseRequest, Leased, Redelivery},
    principal::Principal,
};
use futures::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::info_span;

use crate::{
    attempt::{Verdict, judge},
    gateway::Shared,
    heartbeat::Heartbeat,
    run::run,
    unrun::{end_unrun, failed},
};

/// How long an idle worker waits for a job before it looks up.
const WAIT: Duration = Duration::from_secs(20);
/// How long a worker that met an error of the queue rests.
const REST: Duration = Duration::from_secs(1);
/// The longest pause before a job is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// When a job is looked at again whose execution another process runs.
const ELSEWHERE: Duration = Duration::from_secs(5);

/// What became of a job.
#[derive(Debug)]
enum Worked {
    /// Its execution has ended, or is seen through by somebody.
    Through,
    /// A process that is alive runs its execution.
    Elsewhere,
    /// Its execution was ended because it cannot be run.
    GivenUp(String),
}

/// Takes jobs until the gateway stops: as many at once as there are workers free.
pub(crate) async fn work(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let room = Arc::new(Semaphore::new(shared.limits.workers.min(Semaphore::MAX_PERMITS)));
    let worker = shared.ports.presence.name().to_owned();
    while let Some(Ok(first)) = stopping.run_until_cancelled(room.clone().acquire_owned()).await {
        let mut places = vec![first];
        places.extend(std::iter::from_fn(|| room.clone().try_acquire_owned().ok()));
        let visibility = shared.limits.visibility;
        let request = LeaseRequest { worker: worker.clone(), count: places.len(), wait: WAIT, visibility };
        let leased = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            leased = shared.ports.queue.lease(request) => leased,
        };
        match leased {
            Ok(jobs) => jobs.into_iter().for_each(|job| begin(&shared, job, places.pop())),
            Err(error) => {
                tracing::warn!(error = ?error, "the queue does not hand out jobs; it is asked again");
                let _ = stopping.run_until_cancelled(tokio::time::sleep(REST)).await;
            }
        }
    }
}

/// Works on a job in a task of its own, which holds a worker's place.
fn begin(shared: &Arc<Shared>, job: Leased, place: Option<OwnedSemaphorePermit>) {
    let span = info_span!("execution", id = %job.job.execution_id);
    let shared_too = shared.clone();
    shared.tasks.spawn(span, async move {
        attempt(&shared_too, job).await;
        drop(place);
    });
}

/// Stops the executions of this process that somebody elsewhere wants stopped.
pub(crate) async fn listen_for_cancellations(shared: Arc<Shared>) {
    let mut cancellations = shared.ports.queue.cancellations();
    let stopping = shared.tasks.stopping().clone();
    while let Some(Some(id)) = stopping.run_until_cancelled(cancellations.next()).await {
        shared.running.cancel(&id);
    }
}

async fn attempt(shared: &Arc<Shared>, leased: Leased) {
    let Leased { job, lease, delivery } = leased;
    let id = &job.execution_id;
    let heartbeat = Heartbeat::start(shared, lease);
    let worked = AssertUnwindSafe(execute(shared, id)).catch_unwind().await;
    let worked = worked.unwrap_or_else(|_| Err(Error::unexpected("a worker panicked")));
    let Some(lease) = heartbeat.stop().await else { return };
    if worked.is_err() && shared.running.is_stopping() {
        // Whoever gets the job must not find this process alive, so that it is given back at the very end.
        shared.farewell.keep(lease);
        return;
    }
    if let Err(error) = settle(shared, id, lease, (worked, delivery)).await {
        tracing::warn!(execution_id = %id, error = ?error, "a job could not be settled; it will come again and find its execution as it is");
    }
}

async fn settle(
    shared: &Shared,
    id: &ExecutionId,
    lease: Lease,
    (worked, delivery): (Result<Worked>, u32),
) -> Result<()> {
    let queue = &shared.ports.queue;
    match worked {
        Ok(Worked::Through) => queue.complete(lease).await,
        Ok(Worked::Elsewhere) => queue.release(lease, later(shared, ELSEWHERE)).await,
        Ok(Worked::GivenUp(reason)) => queue.release(lease, Redelivery::Dead(reason)).await,
        // Another attempt has overtaken this one, and the execution is its business.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            tracing::warn!(execution_id = %id, error = ?error, "another process has taken the execution over");
            queue.complete(lease).await
        }
        // A store that is away is not the job's fault, however long it is.
        Err(error) if error.kind() == ErrorKind::Unavailable || delivery <= shared.limits.max_retries => {
            tracing::warn!(execution_id = %id, delivery, error = ?error, "the job is tried again later");
            queue.release(lease, again(shared, delivery)).await
        }
        Err(error) => {
            tracing::error!(execution_id = %id, delivery, error = ?error, "the job is given up");
            give_up(shared, id).await;
            queue.release(lease, Redelivery::Dead(error.to_string())).await
        }
    }
}

/// Doubling pauses, so that a store that is away is not stormed.
fn again(shared: &Shared, delivery: u32) -> Redelivery {
    let pause = Duration::from_secs(1 << delivery.saturating_sub(1).min(6)).min(LONGEST_PAUSE);
    later(shared, pause)
}

fn later(shared: &Shared, pause: Duration) -> Redelivery {
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
async fn execute(shared: &Arc<Shared>, id: &ExecutionId) -> Result<Worked> {
    // The place is taken first, so that a cancellation from here on finds it.
    let Some(seat) = shared.running.work(id) else { return Ok(Worked::Elsewhere) };
    let Some(execution) = find(shared, id).await? else {
        return Err(Error::not_found("the queue names an execution that is not stored").with("execution", id));
    };
    if execution.status.is_final() {
        return Ok(Worked::Through);
    }
    // A queue may hand a job out twice, and a lease may run out under a worker that is well: who runs an execution is
    // settled by the store alone.
    if execution.status == ExecutionStatus::Running
        && let Some(other) = &execution.instance
        && other != shared.ports.presence.id()
        && shared.ports.presence.is_alive(&shared.ports, other).await?
    {
        return Ok(Worked::Elsewhere);
    }
    let (before, fence) = (execution.fence, execution.fence.next());
    let mut attempt = match judge(shared, execution.clone()).await? {
        Verdict::Run(attempt) => attempt,
        Verdict::End(outcome) => {
            let reason = outcome.error.clone().unwrap_or_default();
            end_unrun(shared, &execution, *outcome).await?;
            return Ok(Worked::GivenUp(reason));
        }
    };
    let me = Some(shared.ports.presence.id().clone());
    let start = Transition::Start { fence, instance: me, at: shared.ports.clock.now() };
    let started = shared.ports.persistence.executions().advance(id, before, &start).await?;
    if let Advanced::Refused { .. } = started {
        return Ok(Worked::Through);
    }
    attempt.execution.fence = fence;
    run(shared, *attempt, &seat).await.map(|_| Worked::Through)
}
