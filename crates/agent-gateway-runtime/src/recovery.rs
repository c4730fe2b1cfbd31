//! Executions whose process went away: they are run on, or ended with a reason. None stays `running` for ever.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Result,
    execution::{Advanced, Execution, Transition},
    id::ExecutionId,
    principal::Principal,
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::info_span;

use crate::{
    attempt::{Verdict, is_awaited, judge},
    gateway::{Orphans, Shared},
    idempotency::expiry,
    presence::BEAT,
    requeue,
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

/// Looks after the executions whose process is gone, until the gateway stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let mut chores = Chores::default();
    loop {
        if let Err(error) = round(&shared, &mut chores).await {
            tracing::warn!(error = ?error, "interrupted executions could not be looked after; it is tried again");
        }
        if stopping.run_until_cancelled(tokio::time::sleep(BEAT)).await.is_none() {
            return;
        }
    }
}

/// When what need not be done in every round was done last.
#[derive(Debug, Default)]
struct Chores {
    keys_freed: Option<Instant>,
    lost_looked_for: Option<Instant>,
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

async fn round(shared: &Arc<Shared>, chores: &mut Chores) -> Result<()> {
    let ports = &shared.ports;
    ports.presence.known(ports).await?;
    for id in shared.recovery.take_strays() {
        // One that cannot be dealt with now is none the less looked at again.
        if !matches!(look_at_stray(shared, &id).await, Ok(Dealt::With)) {
            shared.recovery.note(id);
        }
    }
    if shared.limits.orphans == Orphans::Adopted {
        ports.presence.bury(ports).await?;
        for orphan in ports.persistence.executions().orphans(ports.clock.now(), PAGE).await? {
            let id = orphan.id.clone();
            if let Err(error) = recover(shared, orphan, Cause::ProcessGone).await {
                tracing::warn!(execution_id = %id, error = ?error, "an interrupted execution could not be looked after yet");
            }
        }
    }
    if is_due(chores.keys_freed, KEYS_EVERY) {
        ports.persistence.executions().forget_keys(expiry(ports.clock.now())).await?;
        chores.keys_freed = Some(Instant::now());
    }
    if shared.limits.orphans == Orphans::Adopted
        && shared.hands_over()
        && is_due(chores.lost_looked_for, requeue::EVERY)
    {
        requeue::requeue_lost(shared).await?;
        chores.lost_looked_for = Some(Instant::now());
    }
    Ok(())
}

/// Whether an execution needs no more care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dealt {
    /// It does not.
    With,
    /// There was no room for it.
    NotYet,
}

/// Why an execution is left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Its process is gone.
    ProcessGone,
    /// Its end could not be stored.
    EndLost,
}

async fn look_at_stray(shared: &Arc<Shared>, id: &ExecutionId) -> Result<Dealt> {
    let everything = Principal::system().visibility();
    let found = shared.ports.persistence.executions().get(id, &everything).await?;
    let mine = Some(shared.ports.presence.id());
    match found {
        // What another process has taken over is its business.
        Some(stray) if !stray.status.is_final() && stray.instance.as_ref() == mine => {
            recover(shared, stray, Cause::EndLost).await
        }
        _ => Ok(Dealt::With),
    }
}

/// Runs a left-over execution on, or ends it.
async fn recover(shared: &Arc<Shared>, execution: Execution, cause: Cause) -> Result<Dealt> {
    let ports = &shared.ports;
    if !is_awaited(&execution) {
        let outcome = failed(match cause {
            Cause::ProcessGone => "the execution was interrupted: the gateway stopped while it ran",
            Cause::EndLost => "the execution was interrupted: its end could not be stored",
        });
        tracing::warn!(execution_id = %execution.id, "an interrupted execution is ended");
        return end_unrun(shared, &execution, outcome).await.map(|_| Dealt::With);
    }
    let Ok(room) = shared.recovery.room.clone().try_acquire_owned() else { return Ok(Dealt::NotYet) };
    let mut attempt = match judge(shared, execution.clone()).await? {
        Verdict::Run(attempt) => attempt,
        Verdict::End(outcome) => {
            return end_unrun(shared, &execution, *outcome).await.map(|_| Dealt::With);
        }
    };
    let Some(seat) = shared.running.work(&execution.id) else { return Ok(Dealt::NotYet) };
    let fence = execution.fence.next();
    let instance = Some(ports.presence.id().clone());
    let start = Transition::Start { fence, instance, at: ports.clock.now() };
    let started = ports.persistence.executions().advance(&execution.id, execution.fence, &start).await?;
    if let Advanced::Refused { .. } = started {
        return Ok(Dealt::With);
    }
    tracing::info!(execution_id = %execution.id, attempt = fence.0, "an interrupted execution goes on");
    attempt.execution.fence = fence;
    let (span, shared_too) = (info_span!("execution", id = %execution.id), shared.clone());
    shared.tasks.spawn(span, async move {
        let care = Care::of(&shared_too, attempt.execution.id.clone());
        care.over(&run(&shared_too, *attempt, &seat).await);
        drop(room);
    });
    Ok(Dealt::With)
}

/// Sees to it that an execution is looked at again which did not come to its end here, whatever the reason.
#[derive(Debug)]
pub(crate) struct Care {
    shared: Arc<Shared>,
    id: Option<ExecutionId>,
}

impl Care {
    pub(crate) fn of(shared: &Arc<Shared>, id: ExecutionId) -> Self {
        Self { shared: shared.clone(), id: Some(id) }
    }

    /// The attempt is over. One that another attempt has overtaken needs no care.
    pub(crate) fn over<T>(mut self, ended: &Result<T>) {
        if ended.is_ok() {
            self.id = None;
        }
    }
}

impl Drop for Care {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.shared.recovery.note(id);
        }
    }
}
