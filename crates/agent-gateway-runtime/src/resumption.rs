//! Executions that rest go on when what they wait for is there: every approval settled, every run that they delegated to ended.
//!
//! Whoever decides or ends something names the execution that may wait for it. That is a hint alone: every round looks through
//! the executions that rest, so that one goes on also when the process that knew of its decision died.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Result,
    approval::ApprovalStatus,
    execution::{
        Advanced, Execution, ExecutionQuery, ExecutionStatus, Fence, LogEvent, Outcome, StopReason,
        Transition, Usage,
    },
    id::ExecutionId,
    page::{MAX_PAGE, PageRequest},
    ports::queue::Job,
    principal::{Principal, Visibility},
};
use tokio::{sync::Notify, time::Instant};

use crate::{
    Executions,
    gateway::{Alive, Orphans, Shared},
    outage::Outage,
    recovery::is_due,
    unrun::{end_unrun, log},
};

/// How often every execution that rests is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// How long a round rests that met an error.
const REST: Duration = Duration::from_secs(1);
/// The most hints that are kept. What is over that is found by the next look at everything.
const MAX_HINTS: usize = 100_000;
/// How many approvals expire at once.
const EXPIRE: u32 = 500;

/// What may have come true.
#[derive(Debug, Default)]
pub(crate) struct Resumption {
    hints: Mutex<Vec<Hint>>,
    told: Notify,
}

/// An execution that is to be looked at.
#[derive(Clone, Debug)]
enum Hint {
    /// It may go on.
    MayGoOn(ExecutionId),
    /// It has ended: what it delegated to must end, too.
    HasEnded(Box<Execution>),
}

impl Resumption {
    /// What this execution waits for may be there.
    pub(crate) fn look_at(&self, id: ExecutionId) {
        self.keep(Hint::MayGoOn(id));
    }

    /// This execution ran to its end here. Its first attempt has seen to its children itself.
    pub(crate) fn ended(&self, execution: &Execution) {
        if execution.fence > Fence::NONE.next() {
            self.ended_unrun(execution);
        } else if let Some(parent) = &execution.parent_execution_id {
            self.look_at(parent.clone());
        }
    }

    /// This execution was ended while nobody here ran it. It may leave children behind.
    pub(crate) fn ended_unrun(&self, execution: &Execution) {
        if let Some(parent) = &execution.parent_execution_id {
            self.look_at(parent.clone());
        }
        if execution.fence > Fence::NONE {
            let mut few = execution.clone();
            (few.message, few.input, few.result) = (String::new(), None, None);
            self.keep(Hint::HasEnded(Box::new(few)));
        }
    }

    fn keep(&self, hint: Hint) {
        let mut hints = self.hints.lock().unwrap_or_else(PoisonError::into_inner);
        if hints.len() < MAX_HINTS {
            hints.push(hint);
        }
        drop(hints);
        self.told.notify_one();
    }

    fn take(&self) -> Vec<Hint> {
        std::mem::take(&mut *self.hints.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Lets executions go on, until the gateway stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let mut looked = None;
    let mut outage = Outage::new("looking after executions that wait for a person");
    loop {
        match round(&shared, &mut looked).await {
            Ok(()) => outage.answered(),
            Err(error) => {
                outage.failed(&error);
                let _ = stopping.run_until_cancelled(tokio::time::sleep(REST)).await;
            }
        }
        tokio::select! {
            biased;
            () = stopping.cancelled() => return,
            () = shared.recovery.resumption.told.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

async fn round(shared: &Arc<Shared>, looked: &mut Option<Instant>) -> Result<()> {
    for hint in shared.recovery.resumption.take() {
        let followed = match &hint {
            Hint::MayGoOn(id) => go_on_if_ready(shared, id).await,
            Hint::HasEnded(execution) => end_children(shared, execution).await,
        };
        // What cannot be dealt with now is found again by the look at everything.
        if let Err(error) = followed {
            tracing::warn!(?hint, ?error, "an execution could not be looked at yet");
        }
    }
    if shared.limits.orphans == Orphans::Left || !is_due(*looked, EVERY) {
        return Ok(());
    }
    let approvals = shared.ports.persistence.approvals();
    approvals.expire(shared.ports.clock.now(), EXPIRE).await?;
    let query = ExecutionQuery { status: Some(ExecutionStatus::Suspended), ..ExecutionQuery::default() };
    let mut page = PageRequest::first(MAX_PAGE);
    loop {
        let found = shared.ports.persistence.executions().list(&query, &everything(), page).await?;
        for execution in &found.items {
            // One that cannot be read must not keep the others from going on.
            if let Err(error) = go_on(shared, execution).await {
                tracing::warn!(execution_id = %execution.id, ?error, "an execution that rests could not be looked at");
            }
        }
        match found.next {
            Some(next) => page = PageRequest::first(MAX_PAGE).after(next),
            None => break,
        }
    }
    *looked = Some(Instant::now());
    Ok(())
}

fn everything() -> Visibility {
    Principal::system().visibility()
}

async fn go_on_if_ready(shared: &Shared, id: &ExecutionId) -> Result<()> {
    match shared.ports.persistence.executions().get(id, &everything()).await? {
        Some(execution) => go_on(shared, &execution).await,
        None => Ok(()),
    }
}

/// Queues an execution that rests, when nothing is left that it waits for.
async fn go_on(shared: &Shared, execution: &Execution) -> Result<()> {
    if execution.status != ExecutionStatus::Suspended {
        return Ok(());
    }
    if parent_has_ended(shared, execution).await? {
        let outcome = Outcome::new(StopReason::Cancelled, "", Usage::default());
        let outcome = outcome.error("the run that delegated to this one has ended");
        return end_unrun(shared, execution, outcome).await.map(drop);
    }
    if !is_ready(shared, execution).await? {
        return Ok(());
    }
    let ports = &shared.ports;
    let instance = Some(ports.presence.id().clone());
    let change = Transition::Resume { instance };
    let moved = ports.persistence.executions().advance(&execution.id, execution.fence, &change).await?;
    if let Advanced::Refused { .. } = moved {
        return Ok(());
    }
    tracing::info!(execution_id = %execution.id, "an execution goes on: what it waited for is there");
    let job = Job::new(execution.id.clone(), execution.created_at);
    match ports.queue.enqueue(&job).await {
        Ok(()) if shared.hands_over() => shared.handover.note(execution.id.clone()),
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(execution_id = %execution.id, error = ?error, "an execution that may go on could not be queued yet");
            shared.recovery.note(execution.id.clone());
        }
    }
    Ok(())
}

/// Whether nobody is left who could want what a delegated run comes to.
pub(crate) async fn parent_has_ended(shared: &Shared, execution: &Execution) -> Result<bool> {
    let Some(parent) = &execution.parent_execution_id else { return Ok(false) };
    let parent = shared.ports.persistence.executions().get(parent, &everything()).await?;
    Ok(parent.is_none_or(|parent| parent.status.is_final()))
}

async fn is_ready(shared: &Shared, execution: &Execution) -> Result<bool> {
    let ports = &shared.ports;
    let approvals = ports.persistence.approvals().of_execution(&execution.id).await?;
    if approvals.iter().any(|approval| approval.status == ApprovalStatus::Pending) {
        return Ok(false);
    }
    let entries = log(ports, execution).await?;
    let rest = entries.iter().rev().find_map(|entry| match &entry.event {
        LogEvent::Suspended { delegated, .. } => Some(delegated.as_slice()),
        _ => None,
    });
    for child in rest.unwrap_or_default() {
        let child = ports.persistence.executions().get(child, &everything()).await?;
        if child.is_some_and(|child| !child.status.is_final()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Stops what an execution that has ended delegated to.
async fn end_children(shared: &Arc<Shared>, execution: &Execution) -> Result<()> {
    let executions = Executions { shared: shared.clone(), alive: Alive::detached() };
    for child in unfinished_children(shared, execution).await? {
        executions.cancel(&child.id, &Principal::system()).await?;
    }
    Ok(())
}

/// The runs that an execution delegated to, and that are not finished.
pub(crate) async fn unfinished_children(shared: &Shared, execution: &Execution) -> Result<Vec<Execution>> {
    let root = execution.root_execution_id.as_ref().unwrap_or(&execution.id);
    let mut children = Vec::new();
    for status in [ExecutionStatus::Queued, ExecutionStatus::Running, ExecutionStatus::Suspended] {
        let query = ExecutionQuery {
            root_execution_id: Some(root.clone()),
            status: Some(status),
            ..ExecutionQuery::default()
        };
        let executions = shared.ports.persistence.executions();
        let of_it = |child: &Execution| child.parent_execution_id.as_ref() == Some(&execution.id);
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let found = executions.list(&query, &everything(), page).await?;
            children.extend(found.items.into_iter().filter(of_it));
            match found.next {
                Some(next) => page = PageRequest::first(MAX_PAGE).after(next),
                None => break,
            }
        }
    }
    Ok(children)
}
