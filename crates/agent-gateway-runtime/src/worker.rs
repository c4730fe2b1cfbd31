//! Workers: take queued executions and run them.
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    execution::{Execution, ExecutionStatus},
    id::ExecutionId,
    ports::queue::{Lease, LeaseRequest, Leased, Redelivery},
    principal::Principal,
};
use futures::{FutureExt, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::info_span;

use crate::{
    attempt::{Started, Verdict, judge, knows_agent, start},
    gateway::Shared,
    heartbeat::Heartbeat,
    outage::Outage,
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

/// How often a gateway that drains looks whether it has drained.
const LOOK: Duration = Duration::from_millis(200);

/// What became of a job.
#[derive(Debug)]
enum Worked {
    /// Its execution has ended, or is seen through by somebody.
    Through,
    /// A process that is alive runs its execution, or may be able to.
    Elsewhere,
    /// Its execution was ended because it cannot be run.
    GivenUp(String),
}

/// Takes jobs until the gateway stops: as many at once as there are workers free.
pub(crate) async fn work(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let room = Arc::new(Semaphore::new(shared.limits.workers.min(Semaphore::MAX_PERMITS)));
    let worker = shared.ports.presence.name().to_owned();
    let mut outage = Outage::new("asking the queue for jobs");
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
            Ok(jobs) => {
                outage.answered();
                jobs.into_iter().for_each(|job| begin(&shared, job, places.pop()));
            }
            Err(error) => {
                outage.failed(&error);
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
    let (stopping, ended) = (shared.tasks.stopping().clone(), shared.heart.stopping().clone());
    loop {
        // While the gateway drains, what is under way can still be cancelled.
        let drained = async {
            stopping.cancelled().await;
            while shared.tasks.len() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = ended.cancelled() => return,
            () = drained => return,
            asked = cancellations.next() => match asked {
                Some(id) => drop(shared.running.cancel(&id)),
                None => return,
            },
        }
    }
}

async fn attempt(shared: &Arc<Shared>, leased: Leased) {
    let Leased { job, lease, delivery } = leased;
    let id = &job.execution_id;
    let heartbeat = Heartbeat::start(shared, lease);
    let worked = AssertUnwindSafe(execute(shared, id, delivery)).catch_unwind().await;
    let worked = worked.unwrap_or_else(|_| Err(Error::unexpected("a worker panicked")));
    let Some(lease) = heartbeat.stop().await else { return };
    if worked.is_err() && shared.running.is_stopping() {
        // Whoever gets the job must not find this process alive, so that it is given back at the very end.
        shared.farewell.keep(lease);
        return;
    }
    if worked.is_err() {
        // The execution may be this process's by now, so that others leave it alone.
        shared.recovery.note(id.clone());
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
        Ok(Worked::Elsewhere) => give_back(shared, lease, ELSEWHERE).await,
        Ok(Worked::GivenUp(reason)) => queue.release(lease, Redelivery::Dead(reason)).await,
        // Another attempt has overtaken this one, and the execution is its business.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            tracing::warn!(execution_id = %id, error = ?error, "another process has taken the execution over");
            queue.complete(lease).await
        }
        // A store that is away is not the job's fault, however long it is.
        Err(error) if error.kind() == ErrorKind::Unavailable || delivery <= shared.limits.max_retries => {
            tracing::warn!(execution_id = %id, delivery, error = ?error, "the job is tried again later");
            give_back(shared, lease, pause(delivery)).await
        }
        Err(error) => match give_up(shared, id).await {
            Ok(Worked::Elsewhere) => give_back(shared, lease, ELSEWHERE).await,
            Ok(_) => {
                tracing::error!(execution_id = %id, delivery, error = ?error, "the job is given up");
                queue.release(lease, Redelivery::Dead(error.to_string())).await
            }
            Err(second) => {
                tracing::error!(execution_id = %id, error = ?second, "a given-up execution could not be ended; the job comes again");
                give_back(shared, lease, pause(delivery)).await
            }
        },
    }
}

/// Doubling pauses, so that a store that is away is not stormed.
fn pause(delivery: u32) -> Duration {
    Duration::from_secs(1 << delivery.saturating_sub(1).min(6)).min(LONGEST_PAUSE)
}

/// Gives a job back for later. Where the queue knows no later, the pause is made here.
async fn give_back(shared: &Shared, lease: Lease, pause: Duration) -> Result<()> {
    let queue = &shared.ports.queue;
    let longest = queue.capability().longest_delay;
    if longest.is_zero() {
        let stopping = shared.tasks.stopping();
        let _ =
            stopping.run_until_cancelled(tokio::time::sleep(pause.min(shared.limits.visibility / 2))).await;
        return queue.release(lease, Redelivery::Now).await;
    }
    queue.release(lease, Redelivery::After(pause.min(longest))).await
}

/// A job that is given up leaves no execution behind that waits for ever.
async fn give_up(shared: &Shared, id: &ExecutionId) -> Result<Worked> {
    let reason = "the execution was given up after repeated faults";
    match find(shared, id).await? {
        Some(execution) if is_elsewhere(shared, &execution).await? => return Ok(Worked::Elsewhere),
        Some(execution) if !execution.status.is_final() => {
            end_unrun(shared, &execution, failed(reason)).await?;
        }
        _ => {}
    }
    Ok(Worked::GivenUp(reason.to_owned()))
}

async fn find(shared: &Shared, id: &ExecutionId) -> Result<Option<Execution>> {
    shared.ports.persistence.executions().get(id, &Principal::system().visibility()).await
}

/// Runs a queued execution. One that ended meanwhile needs nothing more.
async fn execute(shared: &Arc<Shared>, id: &ExecutionId, delivery: u32) -> Result<Worked> {
    // What this process starts must not be taken for abandoned.
    shared.ports.presence.known(&shared.ports).await?;
    // The place is taken first, so that a cancellation from here on finds it.
    let Some(seat) = shared.running.work(id) else { return Ok(Worked::Elsewhere) };
    let Some(mut execution) = find(shared, id).await? else {
        let message = "the queue names an execution that is not stored: do all processes of this queue share one database?";
        return Err(Error::not_found(message).with("execution", id));
    };
    // One that rests is queued again when what it waits for is there.
    if execution.status.is_final() || execution.status == ExecutionStatus::Suspended {
        return Ok(Worked::Through);
    }
    // A queue may hand a job out twice, and a lease may run out under a worker that is well: who runs an execution is
    // settled by the store alone.
    if is_elsewhere(shared, &execution).await? {
        return Ok(Worked::Elsewhere);
    }
    // While a new release is rolled out, another process may know an agent that this one does not.
    if !knows_agent(shared, &execution) && delivery <= shared.limits.max_retries {
        return Ok(Worked::Elsewhere);
    }
    if start(shared, &mut execution).await? == Started::ByAnother {
        return Ok(Worked::Through);
    }
    match judge(shared, execution.clone()).await? {
        Verdict::Run(attempt) => run(shared, *attempt, &seat).await.map(|_| Worked::Through),
        Verdict::End(outcome) => {
            let reason = outcome.error.clone().unwrap_or_default();
            tracing::warn!(execution_id = %id, reason, "an interrupted execution is ended");
            end_unrun(shared, &execution, *outcome).await?;
            Ok(Worked::GivenUp(reason))
        }
    }
}

/// Whether another process runs it that is alive.
async fn is_elsewhere(shared: &Shared, execution: &Execution) -> Result<bool> {
    let presence = &shared.ports.presence;
    match &execution.instance {
        Some(other) if execution.status == ExecutionStatus::Running && other != presence.id() => {
            presence.is_alive(&shared.ports, other).await
        }
        _ => Ok(false),
    }
}
