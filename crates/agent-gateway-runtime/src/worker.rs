//! Workers: take queued executions and run them.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    execution::{Advanced, Execution, Outcome, StopReason, Transition, Usage},
    ports::queue::{Lease, LeaseRequest, Leased, Redelivery},
    principal::Principal,
};
use futures::StreamExt;
use tracing::{Instrument, info_span};

use crate::{
    executions::finish_unrun,
    gateway::Shared,
    run::{agent_gone, run},
};

/// How long an idle worker waits for a job before it looks up.
const WAIT: Duration = Duration::from_secs(20);
/// How long a worker that met an error of the queue rests.
const REST: Duration = Duration::from_secs(1);

/// Takes jobs until the gateway stops.
pub(crate) async fn work(shared: Arc<Shared>, name: String, visibility: Duration) {
    let stopping = shared.tasks.stopping().clone();
    loop {
        let request = LeaseRequest { worker: name.clone(), count: 1, wait: WAIT, visibility };
        let leased = tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            leased = shared.ports.queue.lease(request) => leased,
        };
        match leased {
            Ok(jobs) => {
                for job in jobs {
                    attempt(&shared, job, visibility).await;
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

async fn attempt(shared: &Shared, leased: Leased, visibility: Duration) {
    let Leased { job, lease, .. } = leased;
    let worked = {
        let work = execute(shared, &job.execution_id);
        tokio::pin!(work);
        loop {
            tokio::select! {
                worked = &mut work => break worked,
                () = tokio::time::sleep(visibility / 3) => keep(shared, &lease, visibility).await,
            }
        }
    };
    let settled = match worked {
        Ok(()) => shared.ports.queue.complete(lease).await,
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            tracing::warn!(execution_id = %job.execution_id, error = ?error, "handing the job back");
            shared.ports.queue.release(lease, Redelivery::Now).await
        }
        Err(error) => {
            tracing::error!(execution_id = %job.execution_id, error = ?error, "the job is given up");
            shared.ports.queue.release(lease, Redelivery::Dead(error.to_string())).await
        }
    };
    if let Err(error) = settled {
        tracing::warn!(execution_id = %job.execution_id, error = ?error, "the job could not be settled");
    }
}

async fn keep(shared: &Shared, lease: &Lease, visibility: Duration) {
    if let Err(error) = shared.ports.queue.extend(lease, visibility).await {
        tracing::warn!(execution_id = %lease.execution_id(), error = ?error, "the lease could not be extended");
    }
}

/// Runs a queued execution. One that ended meanwhile needs nothing more.
async fn execute(shared: &Shared, id: &agent_gateway_core::id::ExecutionId) -> Result<()> {
    let executions = shared.ports.persistence.executions();
    let Some(mut execution) = executions.get(id, &Principal::system().visibility()).await? else {
        return Err(Error::not_found("the queue names an execution that is not stored").with("execution", id));
    };
    if execution.status.is_final() {
        return Ok(());
    }
    let fence = execution.fence.next();
    let start = Transition::Start { fence, at: shared.ports.clock.now() };
    if let Advanced::Refused { .. } = executions.advance(id, execution.fence, &start).await? {
        return Ok(());
    }
    execution.fence = fence;
    let Some(plan) = shared.snapshot.load().plan(execution.agent_id.as_str()).cloned() else {
        return finish_unrun(shared, &execution, gone(&execution)).await;
    };
    let seat = shared.running.enter(id.clone(), &shared.cancel_all);
    let span = info_span!("execution", %id);
    run(&shared.ports, &shared.recipe, plan, &execution, &seat).instrument(span).await.map(drop)
}

fn gone(execution: &Execution) -> Outcome {
    Outcome::new(StopReason::Error, "", Usage::default()).error(agent_gone(execution).message())
}
