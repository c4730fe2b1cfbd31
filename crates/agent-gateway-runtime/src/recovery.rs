//! Executions whose process went away: they are run on, or ended with a reason. None stays `running` for ever.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Result,
    execution::{Advanced, Execution, ExecutionStatus, Transition},
    id::ExecutionId,
    principal::Principal,
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::info_span;

use crate::{
    attempt::{Verdict, is_awaited, judge},
    gateway::Shared,
    idempotency::expiry,
    presence::BEAT,
    run::run,
    unrun::{end_unrun, failed},
};

/// How many interrupted executions run at once.
const AT_ONCE: usize = 64;
/// How many are looked at together.
const PAGE: u32 = 100;
/// The most executions of this process that wait to be looked at again.
const MAX_STRAYS: usize = 10_000;
/// How often idempotency keys that are too old are freed.
const KEYS_EVERY: Duration = Duration::from_secs(3600);

/// What recovery keeps in mind.
#[derive(Debug)]
pub(crate) struct Recovery {
    room: Arc<Semaphore>,
    strays: Mutex<Vec<ExecutionId>>,
}

impl Recovery {
    pub(crate) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(AT_ONCE)), strays: Mutex::default() }
    }

    /// An execution of this process whose end could not be stored.
    pub(crate) fn note(&self, id: ExecutionId) {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        if strays.len() < MAX_STRAYS {
            strays.push(id);
        }
    }

    fn take_strays(&self) -> Vec<ExecutionId> {
        std::mem::take(&mut *self.strays.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says that this process is alive and looks after the executions of those that are not, until the gateway stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let mut keys_freed: Option<Instant> = None;
    loop {
        if let Err(error) = round(&shared, &mut keys_freed).await {
            tracing::warn!(error = ?error, "interrupted executions could not be looked after; it is tried again");
        }
        if stopping.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_none() {
            return;
        }
    }
}

async fn round(shared: &Arc<Shared>, keys_freed: &mut Option<Instant>) -> Result<()> {
    let ports = &shared.ports;
    ports.presence.known(ports).await?;
    ports.presence.announce(ports).await?;
    ports.presence.bury(ports).await?;
    for id in shared.recovery.take_strays() {
        let everything = Principal::system().visibility();
        match ports.persistence.executions().get(&id, &everything).await {
            Ok(Some(execution)) if !execution.status.is_final() => recover(shared, execution).await?,
            Ok(_) => {}
            Err(error) => {
                shared.recovery.note(id);
                return Err(error);
            }
        }
    }
    let orphans = ports.persistence.executions().orphans(ports.clock.now(), PAGE).await?;
    for orphan in orphans {
        recover(shared, orphan).await?;
    }
    if keys_freed.is_none_or(|freed| freed.elapsed() >= KEYS_EVERY) {
        ports.persistence.executions().forget_keys(expiry(ports.clock.now())).await?;
        *keys_freed = Some(Instant::now());
    }
    Ok(())
}

/// Runs an interrupted execution on, or ends it. Where there is no room, it is left for the next round.
async fn recover(shared: &Arc<Shared>, execution: Execution) -> Result<()> {
    let ports = &shared.ports;
    // What was never begun harms nobody by being begun.
    if execution.status == ExecutionStatus::Running && !is_awaited(&execution) {
        let outcome = failed("the execution was interrupted: the gateway stopped while it ran");
        tracing::warn!(execution_id = %execution.id, "an interrupted execution is ended");
        return end_unrun(ports, &execution, outcome).await.map(drop);
    }
    let Ok(room) = shared.recovery.room.clone().try_acquire_owned() else { return Ok(()) };
    let mut attempt = match judge(shared, execution.clone()).await? {
        Verdict::Run(attempt) => attempt,
        Verdict::End(outcome) => return end_unrun(ports, &execution, *outcome).await.map(drop),
    };
    let seat = shared.running.work(&execution.id);
    let fence = execution.fence.next();
    let instance = Some(ports.presence.id().clone());
    let start = Transition::Start { fence, instance, at: ports.clock.now() };
    let started = ports.persistence.executions().advance(&execution.id, execution.fence, &start).await?;
    if let Advanced::Refused { .. } = started {
        return Ok(());
    }
    tracing::info!(execution_id = %execution.id, attempt = fence.0, "an interrupted execution goes on");
    attempt.execution.fence = fence;
    let (span, shared_too) = (info_span!("execution", id = %execution.id), shared.clone());
    shared.tasks.spawn(span, async move {
        let id = attempt.execution.id.clone();
        if run(&shared_too, *attempt, &seat).await.is_err() {
            shared_too.recovery.note(id);
        }
        drop(room);
    });
    Ok(())
}
