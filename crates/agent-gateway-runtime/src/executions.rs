//! What protocols do with executions. `submit` is the only entrance.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result, Timestamp,
    execution::{
        Advanced, Cursor, Departure, EventId, Execution, ExecutionQuery, ExecutionRequest, ExecutionStatus,
        Origin, Outcome, Reading, StopReason, Usage, WorkflowStep, workflow_steps,
    },
    id::{AgentId, ConversationId, ExecutionId},
    page::{MAX_PAGE, Page, PageRequest},
    ports::{
        model::Delivery,
        persistence::{CostGroup, CostRow, CostWindow},
        queue::Job,
    },
    principal::Principal,
};
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::info_span;

use crate::{
    Events, Refusal,
    admit::{Admitted, Placement, admit},
    begin::Beginning,
    events::{Bond, Tie},
    gateway::{Alive, Shared},
    idempotency,
    live::Live,
    recovery::Care,
    scene::Scene,
    settings::equip,
    unrun::{end_unrun, failed},
};

/// Submits, reads and cancels executions. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Executions {
    pub(crate) shared: Arc<Shared>,
    pub(crate) alive: Arc<Alive>,
}

/// What became of a request.
#[derive(Debug)]
pub enum Submitted {
    /// It ran to its end.
    Finished(Completed),
    /// It runs, and this is what happens.
    Streaming(Streaming),
    /// It waits for a worker.
    Queued(Box<Execution>),
}

/// A run that ended.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Its id.
    pub execution_id: ExecutionId,
    /// The agent that ran.
    pub agent_id: AgentId,
    /// The conversation that it is a turn of.
    pub session_id: Option<ConversationId>,
    /// How it ended.
    pub outcome: Arc<Outcome>,
}

/// A run under way.
#[derive(Debug)]
pub struct Streaming {
    /// Its id.
    pub execution_id: ExecutionId,
    /// The agent that runs.
    pub agent_id: AgentId,
    /// The conversation that it is a turn of.
    pub session_id: Option<ConversationId>,
    /// What happens. The run is cancelled when this is dropped, unless it was submitted to go on.
    pub events: Events,
}

/// An execution that somebody watches.
#[derive(Debug)]
pub enum Watched {
    /// This is what happens.
    Telling(Box<Execution>, Box<Events>),
    /// It has ended, and the watcher has seen everything.
    Told(Box<Execution>),
}

impl Watched {
    /// The execution.
    #[must_use]
    pub fn execution(&self) -> &Execution {
        match self {
            Self::Telling(execution, _) | Self::Told(execution) => execution,
        }
    }
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is being stopped.
    Requested,
    /// It had already ended like this.
    AlreadyFinal(ExecutionStatus),
    /// There is none that the caller may see.
    NotFound,
}

impl Executions {
    /// Runs a request, or queues it: admit, resolve, record, place.
    ///
    /// From the record on it goes on in a task of its own. When the returned future or the returned events are dropped, a run
    /// that was waited for is cancelled, and recorded as such, unless its request says that it detaches.
    pub async fn submit(&self, request: ExecutionRequest) -> Result<Submitted, Refusal> {
        // Held while this is under way, so that a shutdown waits for it.
        let _under_way = self.shared.tasks.token();
        // What a run under way delegates to belongs to that run, which is let come to its end.
        let is_own = matches!(request.origin, Origin::Delegation(_));
        if self.shared.tasks.stopping().is_cancelled() && !is_own {
            return Err(Refusal::ShuttingDown);
        }
        let admitted = admit(request, &self.shared.snapshot.load(), &self.shared.ports)?;
        let admitted = equip(&self.shared.ports, admitted).await?;
        let (wanted, owner) = (admitted.execution.idempotency.clone(), admitted.execution.user_id.clone());
        let (placement, delivery) = (admitted.placement, admitted.execution.options.delivery);
        let Some(wanted) = wanted else { return self.place(admitted).await };
        let ports = &self.shared.ports;
        if let Some(earlier) = idempotency::earlier(ports, owner.as_ref(), &wanted).await? {
            return self.replay(earlier, placement, delivery).await;
        }
        match self.place(admitted).await {
            // The same request came in the same moment, and was first.
            Err(Refusal::Failed(error)) if error.kind() == ErrorKind::AlreadyExists => {
                match idempotency::earlier(ports, owner.as_ref(), &wanted).await? {
                    Some(earlier) => self.replay(earlier, placement, delivery).await,
                    None => Err(error.into()),
                }
            }
            placed => placed,
        }
    }

    async fn place(&self, admitted: Admitted) -> Result<Submitted, Refusal> {
        self.shared.ports.presence.known(&self.shared.ports).await?;
        match admitted.placement {
            Placement::Here => self.here(admitted).await,
            Placement::Queue => self.detach(admitted.execution).await.map(Submitted::Queued),
        }
    }

    /// Answers a repeated request with what its first one came to.
    async fn replay(
        &self,
        mut earlier: Execution,
        placement: Placement,
        delivery: Delivery,
    ) -> Result<Submitted, Refusal> {
        if placement == Placement::Queue {
            earlier.status = ExecutionStatus::Queued;
            return Ok(Submitted::Queued(Box::new(earlier)));
        }
        let events = Events::whole(&self.shared, &self.alive, earlier.id.clone(), Bond::Free);
        let Execution { id: execution_id, agent_id, session_id, .. } = earlier;
        Ok(match delivery {
            Delivery::Incremental => {
                Submitted::Streaming(Streaming { execution_id, agent_id, session_id, events })
            }
            Delivery::Whole => {
                let outcome = events.outcome().await?;
                Submitted::Finished(Completed { execution_id, agent_id, session_id, outcome })
            }
        })
    }

    async fn here(&self, admitted: Admitted) -> Result<Submitted, Refusal> {
        let delivery = admitted.execution.options.delivery;
        let (execution_id, agent_id) = (admitted.execution.id.clone(), admitted.execution.agent_id.clone());
        let Launched { task, session_id, live, bond } = self.launch(admitted).await?;
        Ok(match delivery {
            Delivery::Incremental => {
                let events = Events::own(&self.shared, &self.alive, execution_id.clone(), live, bond);
                Submitted::Streaming(Streaming { execution_id, agent_id, session_id, events })
            }
            Delivery::Whole => {
                let outcome = task.await.map_err(broken)??;
                drop(bond);
                Submitted::Finished(Completed { execution_id, agent_id, session_id, outcome })
            }
        })
    }

    /// Stores the execution and begins to run it, in a task of its own that nobody's leaving can cut in two.
    async fn launch(&self, admitted: Admitted) -> Result<Launched, Refusal> {
        let Admitted { plan, mut execution, thread, caller, settings, .. } = admitted;
        execution.instance = Some(self.shared.ports.presence.id().clone());
        let scene = Scene::open(&self.shared.ports, &thread, &execution, &caller).await?;
        let turn = match &scene {
            Scene::Conversation(dialogue) => {
                execution.session_id = Some(dialogue.conversation.id.clone());
                let id = &dialogue.conversation.id;
                let turn = self.shared.turns.take(id).await;
                Some(turn.ok_or_else(|| Refusal::SessionBusy(id.clone()))?)
            }
            Scene::Alone => None,
        };
        let is_delegated = execution.parent_execution_id.is_some();
        // What is delegated runs in its parent's place: parents that wait for places would wait for each other.
        let running = &self.shared.running;
        let seat = if is_delegated { running.work(&execution.id) } else { running.wait(&execution.id) };
        let seat = seat.ok_or(Refusal::Busy)?;
        seat.live().begin(Cursor::START);
        let session_id = execution.session_id.clone();
        let live = seat.live().clone();
        let bond = match execution.options.departure {
            Departure::Detaches if !is_delegated => Bond::Free,
            Departure::Cancels | Departure::Detaches => {
                Bond::Owner(Tie::new(seat.cancel().clone(), self.shared.tasks.stopping().clone()))
            }
        };
        // Whoever leaves before the execution is stored has asked for nothing.
        let left = CancellationToken::new();
        let _leaving = left.clone().drop_guard();
        let (told, is_stored) = oneshot::channel();
        let shared = self.shared.clone();
        let beginning = Beginning { shared, plan, execution, scene, settings, seat, told, left };
        let task =
            self.shared.tasks.spawn(info_span!("execution", id = %beginning.execution.id), async move {
                let ended = beginning.run().await;
                drop(turn);
                ended
            });
        match is_stored.await {
            Ok(Ok(())) => Ok(Launched { task, session_id, live, bond }),
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err(match task.await {
                Err(fault) => broken(fault).into(),
                Ok(_) => Error::unexpected("the execution's task said nothing").into(),
            }),
        }
    }

    /// A job that cannot be queued leaves no queued record behind.
    async fn detach(&self, mut execution: Execution) -> Result<Box<Execution>, Refusal> {
        let shared = self.shared.clone();
        // The queue's once it has it; until then nobody else knows of it.
        execution.instance = Some(shared.ports.presence.id().clone());
        let task = self.shared.tasks.spawn(info_span!("enqueue", id = %execution.id), async move {
            // A write whose answer was lost may have happened, and what is stored must not wait for ever.
            let care = Care::of(&shared, execution.id.clone());
            let queued = enqueue(&shared, execution).await;
            care.over(&queued);
            queued
        });
        Ok(task.await.map_err(broken)??)
    }

    /// The events of an execution, from its beginning or behind an event that the caller has seen.
    ///
    /// Reading them changes nothing about the run; it ends with the run.
    pub async fn events(
        &self,
        id: &ExecutionId,
        who: &Principal,
        seen: Option<&EventId>,
    ) -> Result<Option<Watched>, Refusal> {
        let Some(execution) = self.get(id, who).await? else { return Ok(None) };
        let events = match seen {
            None => Events::watch(&self.shared, &self.alive, id.clone()),
            Some(seen) if seen.execution != *id => return Err(Refusal::EventIdForeign),
            Some(EventId { place, .. }) => {
                let before = Cursor(place.after.0.saturating_sub(1));
                let log = self.shared.ports.persistence.executions().log(id, before, 2).await?;
                let is_there = place.after == Cursor::START
                    || log.first().is_some_and(|entry| entry.sequence == place.after);
                let next = log.iter().find(|entry| entry.sequence == place.after.next());
                let said = self.shared.running.live(id).is_none_or(|live| live.has_said(*place));
                if !is_there || !said || !Reading::from(*place).fits(next) {
                    return Err(Refusal::EventIdAhead);
                }
                if execution.status.is_final() && next.is_none() && place.after != Cursor::START {
                    return Ok(Some(Watched::Told(Box::new(execution))));
                }
                Events::behind(&self.shared, &self.alive, id.clone(), *place)
            }
        };
        Ok(Some(Watched::Telling(Box::new(execution), Box::new(events))))
    }

    /// The execution, `None` when there is none that the caller may see.
    pub async fn get(&self, id: &ExecutionId, who: &Principal) -> Result<Option<Execution>> {
        self.shared.ports.persistence.executions().get(id, &who.visibility()).await
    }

    /// Executions, newest first.
    pub async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Principal,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        self.shared.ports.persistence.executions().list(query, &who.visibility(), page).await
    }

    /// What the executions in the window consumed, by group.
    pub async fn costs(&self, window: CostWindow, group: CostGroup, who: &Principal) -> Result<Vec<CostRow>> {
        match self.shared.ports.persistence.analytics() {
            Some(analytics) => analytics.cost(window, group, &who.visibility()).await,
            None => Err(Error::unsupported("the persistence backend of this gateway cannot sum usage")),
        }
    }

    /// The time of the gateway's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.ports.clock.now()
    }

    /// The whole tree that an execution belongs to, by depth and then by time; `None` when the caller may not see it.
    pub async fn workflow(&self, id: &ExecutionId, who: &Principal) -> Result<Option<Vec<Execution>>> {
        let Some(execution) = self.get(id, who).await? else { return Ok(None) };
        let root = execution.root_execution_id.clone().unwrap_or_else(|| execution.id.clone());
        let query = ExecutionQuery { root_execution_id: Some(root), ..ExecutionQuery::default() };
        let mut tree = self.tree(&query, who).await?;
        // An old root does not name itself as its root.
        if !tree.iter().any(|member| member.id == execution.id) {
            tree.insert(0, execution);
        }
        Ok(Some(tree))
    }

    /// What the steps of its workflows did so far, of an execution that was read for the caller.
    pub async fn workflow_steps(&self, execution: &Execution) -> Result<Vec<WorkflowStep>> {
        let executions = self.shared.ports.persistence.executions();
        let (mut steps, mut last) = (Vec::new(), Cursor::START);
        loop {
            let page = executions.log(&execution.id, last, MAX_PAGE).await?;
            let Some(entry) = page.last() else { return Ok(steps) };
            last = entry.sequence;
            steps.extend(workflow_steps(&page));
        }
    }

    /// The executions of a tree that fit the query, by depth and then by time; of a larger tree the newest 5 000.
    pub async fn tree(&self, query: &ExecutionQuery, who: &Principal) -> Result<Vec<Execution>> {
        let mut tree = Vec::new();
        let mut request = PageRequest::first(MAX_PAGE);
        loop {
            let page = self.list(query, who, request).await?;
            tree.extend(page.items);
            match page.next {
                Some(next) if tree.len() < MAX_TREE => request = PageRequest::first(MAX_PAGE).after(next),
                _ => break,
            }
        }
        tree.sort_by(|a, b| {
            (a.delegation_depth, a.created_at, &a.id).cmp(&(b.delegation_depth, b.created_at, &b.id))
        });
        Ok(tree)
    }

    /// Stops an execution: its model call and its tools end at once, and it is recorded as cancelled.
    pub async fn cancel(&self, id: &ExecutionId, who: &Principal) -> Result<CancelOutcome> {
        for _ in 0..CANCEL_TRIES {
            let Some(execution) = self.get(id, who).await? else { return Ok(CancelOutcome::NotFound) };
            if execution.status.is_final() {
                return Ok(CancelOutcome::AlreadyFinal(execution.status));
            }
            if let Some(gone) = self.shared.running.cancel(id) {
                // It records its own end, with what it got done. What then is not at its end needs one all the same.
                drop(tokio::time::timeout(CANCEL_PATIENCE, gone.cancelled()).await);
                match self.get(id, who).await? {
                    Some(ended) if ended.status == ExecutionStatus::Cancelled => {
                        return Ok(CancelOutcome::Requested);
                    }
                    Some(ended) if ended.status.is_final() => {
                        return Ok(CancelOutcome::AlreadyFinal(ended.status));
                    }
                    _ => {}
                }
            }
            // Nobody here runs it. It is ended in the store, and another process that does run it is told.
            let outcome = Outcome::new(StopReason::Cancelled, "", Usage::default());
            let outcome = outcome.error("the execution was cancelled");
            let ended = end_unrun(&self.shared, &execution, outcome).await;
            if !matches!(ended, Ok(Advanced::Refused { .. })) {
                // It has ended: whoever still runs it cannot write, and hears of it at the latest then.
                if let Err(error) = self.shared.ports.queue.request_cancel(id).await {
                    tracing::warn!(execution_id = %id, error = ?error, "the others are not told of a cancellation");
                }
                return ended.map(|_| CancelOutcome::Requested);
            }
        }
        Err(Error::conflict("the execution moved on each time it was to be cancelled").with("execution", id))
    }
}

/// The most executions of one tree that are read.
const MAX_TREE: usize = 5_000;
/// How long a run of this process may take to record that it was cancelled.
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);
/// How often a cancellation looks again when the execution moved on meanwhile.
const CANCEL_TRIES: usize = 5;

/// Stores an execution and queues it. A job that cannot be queued leaves no queued record behind, unless the caller gave it a
/// key: who repeats such a request gets this execution, which is therefore queued as soon as that is possible.
async fn enqueue(shared: &Shared, execution: Execution) -> Result<Box<Execution>> {
    shared.ports.persistence.executions().create(&execution).await?;
    let job = Job::new(execution.id.clone(), execution.created_at);
    if let Err(error) = shared.ports.queue.enqueue(&job).await {
        if execution.idempotency.is_some() && error.kind() == ErrorKind::Unavailable {
            return Err(error);
        }
        end_unrun(shared, &execution, failed("the queue did not accept the execution")).await?;
        return Err(error);
    }
    if shared.hands_over() {
        shared.handover.note(execution.id.clone());
    }
    Ok(Box::new(execution))
}

/// A run that has begun.
struct Launched {
    task: JoinHandle<Result<Arc<Outcome>>>,
    session_id: Option<ConversationId>,
    live: Arc<Live>,
    /// What ties it to its caller.
    bond: Bond,
}

fn broken(error: tokio::task::JoinError) -> Error {
    Error::unexpected("the execution's task ended abnormally").caused_by(error)
}
