//! Executions whose process went away: they are run on, or ended with a reason. None stays `running` for ever.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Result,
    execution::{Departure, Execution, ExecutionStatus, Outcome},
    id::{ExecutionId, InstanceId},
    ports::queue::Job,
    principal::Principal,
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::info_span;

use crate::{
    attempt::{Started, Verdict, is_awaited, judge, knows_agent, start},
    gateway::{Orphans, Shared},
    idempotency::expiry,
    outage::Outage,
    presence::{BEAT, Silent},
    requeue::Lost,
    resumption::{Resumption, parent_has_ended},
    run::run,
    unrun::{end_unrun, failed},
};

/// How many interrupted executions run at once, within the number of workers.
const MIN_AT_ONCE: usize = 4;
const MAX_AT_ONCE: usize = 64;
/// How old an execution may be that is left to processes which are better at it.
const FOR_OTHERS: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);
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
    strays: Mutex<Vec<Stray>>,
    /// What may be there that executions rest for.
    pub(crate) resumption: Resumption,
}

/// An execution of this process that did not come to its end.
#[derive(Debug)]
struct Stray {
    id: ExecutionId,
    wanted: Wanted,
}

/// What a stray needs.
#[derive(Debug)]
enum Wanted {
    /// To be run on, if somebody may still want its end.
    Care,
    /// This end, which could not be stored.
    End(Box<Outcome>),
}

impl Recovery {
    /// Room for as many executions as this process works on at once anyway.
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(workers.clamp(MIN_AT_ONCE, MAX_AT_ONCE))),
            strays: Mutex::default(),
            resumption: Resumption::default(),
        }
    }

    /// An execution of this process that did not come to its end.
    pub(crate) fn note(&self, id: ExecutionId) {
        self.keep(Stray { id, wanted: Wanted::Care });
    }

    /// An execution whose end could not be stored.
    pub(crate) fn note_end(&self, id: ExecutionId, outcome: Outcome) {
        self.keep(Stray { id, wanted: Wanted::End(Box::new(outcome)) });
    }

    fn keep(&self, stray: Stray) {
        let mut strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner);
        // An end that was decided stands; a second note of it would end nothing more.
        match strays.iter().position(|other| other.id == stray.id) {
            Some(place) if matches!(stray.wanted, Wanted::End(_)) => strays[place] = stray,
            None if strays.len() < MAX_STRAYS => strays.push(stray),
            Some(_) | None => {}
        }
    }

    fn take_strays(&self) -> Vec<Stray> {
        std::mem::take(&mut *self.strays.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Looks after the executions whose process is gone, until the gateway stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let mut chores = Chores::default();
    let mut outage = Outage::new("looking after interrupted executions");
    loop {
        match round(&shared, &mut chores).await {
            Ok(()) => outage.answered(),
            Err(error) => outage.failed(&error),
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
    silent: Silent,
    lost: Lost,
}

pub(crate) fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}

async fn round(shared: &Arc<Shared>, chores: &mut Chores) -> Result<()> {
    let ports = &shared.ports;
    // The store may have been away, or this process frozen: nobody is to think that it is gone.
    ports.presence.known(ports).await?;
    ports.presence.announce(ports).await?;
    for stray in shared.recovery.take_strays() {
        // One that cannot be dealt with now is none the less looked at again.
        if !matches!(look_at_stray(shared, &stray).await, Ok(Dealt::With)) {
            shared.recovery.keep(stray);
        }
    }
    if shared.limits.orphans == Orphans::Adopted {
        adopt_orphans(shared, &mut chores.silent).await?;
        if shared.hands_over() {
            chores.lost.look(shared).await?;
        }
    }
    if is_due(chores.keys_freed, KEYS_EVERY) {
        ports.persistence.executions().forget_keys(expiry(ports.clock.now())).await?;
        chores.keys_freed = Some(Instant::now());
    }
    Ok(())
}

async fn adopt_orphans(shared: &Arc<Shared>, silent: &mut Silent) -> Result<()> {
    let ports = &shared.ports;
    let left = ports.presence.bury(ports, silent).await?;
    for orphan in ports.persistence.executions().orphans(ports.clock.now(), PAGE).await? {
        let id = orphan.id.clone();
        let Some(gone) = orphan.instance.clone().filter(|instance| !left.contains(instance)) else {
            continue;
        };
        // Those who work look after what is worked on, and those who know an agent after its executions; but not for ever.
        let is_anothers = ports.clock.now().duration_since(orphan.created_at) < FOR_OTHERS
            && ((shared.limits.workers == 0 && orphan.options.departure == Departure::Detaches)
                || (!knows_agent(shared, &orphan) && left.len() > 1));
        let dealt = if shared.hands_over() && orphan.status == ExecutionStatus::Queued {
            queue_again(shared, &orphan, &gone).await
        } else if is_anothers {
            continue;
        } else {
            recover(shared, orphan, Cause::ProcessGone).await.map(drop)
        };
        if let Err(error) = dealt {
            tracing::warn!(execution_id = %id, error = ?error, "an interrupted execution could not be looked after yet");
            // It may have been taken over by a write whose answer was lost.
            shared.recovery.note(id);
        }
    }
    Ok(())
}

/// Gives the queue an execution whose process is gone and that nobody has started. It may be there already.
async fn queue_again(shared: &Shared, orphan: &Execution, gone: &InstanceId) -> Result<()> {
    let ports = &shared.ports;
    ports.queue.enqueue(&Job::new(orphan.id.clone(), orphan.created_at)).await?;
    ports.persistence.executions().hand_over(std::slice::from_ref(&orphan.id), gone).await
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

async fn look_at_stray(shared: &Arc<Shared>, stray: &Stray) -> Result<Dealt> {
    let everything = Principal::system().visibility();
    let found = shared.ports.persistence.executions().get(&stray.id, &everything).await?;
    let Some(found) = found.filter(|found| !found.status.is_final()) else { return Ok(Dealt::With) };
    let is_mine = found.instance.as_ref() == Some(shared.ports.presence.id());
    match &stray.wanted {
        Wanted::End(outcome) if is_mine || found.status == ExecutionStatus::Queued => {
            end_unrun(shared, &found, Outcome::clone(outcome)).await.map(|_| Dealt::With)
        }
        Wanted::Care if is_mine && found.status == ExecutionStatus::Queued && shared.hands_over() => {
            queue_again(shared, &found, shared.ports.presence.id()).await.map(|()| Dealt::With)
        }
        Wanted::Care if is_mine => recover(shared, found, Cause::EndLost).await,
        // What another process has taken over is its business.
        _ => Ok(Dealt::With),
    }
}

/// Runs a left-over execution on, or ends it.
async fn recover(shared: &Arc<Shared>, mut execution: Execution, cause: Cause) -> Result<Dealt> {
    // One that runs here after all is none.
    let Some(seat) = shared.running.work(&execution.id) else { return Ok(Dealt::NotYet) };
    if !is_awaited(&execution) {
        let outcome = failed(match cause {
            Cause::ProcessGone => "the execution was interrupted: the gateway stopped while it ran",
            Cause::EndLost => "the execution was interrupted: its end could not be stored",
        });
        tracing::warn!(execution_id = %execution.id, "an interrupted execution is ended");
        return end_unrun(shared, &execution, outcome).await.map(|_| Dealt::With);
    }
    if parent_has_ended(shared, &execution).await? {
        let outcome = failed("the run that delegated to this one has ended");
        return end_unrun(shared, &execution, outcome).await.map(|_| Dealt::With);
    }
    // What is delegated runs in its parent's place: parents that hold all places would wait for their children for ever.
    let room = match execution.parent_execution_id {
        Some(_) => None,
        None => match shared.recovery.room.clone().try_acquire_owned() {
            Ok(room) => Some(room),
            Err(_) => return Ok(Dealt::NotYet),
        },
    };
    if start(shared, &mut execution).await? == Started::ByAnother {
        return Ok(Dealt::With);
    }
    let attempt = match judge(shared, execution.clone()).await? {
        Verdict::Run(attempt) => attempt,
        Verdict::End(outcome) => {
            tracing::warn!(execution_id = %execution.id, reason = outcome.error, "an interrupted execution is ended");
            return end_unrun(shared, &execution, *outcome).await.map(|_| Dealt::With);
        }
    };
    tracing::info!(execution_id = %execution.id, attempt = execution.fence.0, "an interrupted execution goes on");
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
