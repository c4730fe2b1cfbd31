//! What protocols do with executions. `submit` is the only entrance.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result,
    execution::{
        Advanced, Execution, ExecutionQuery, ExecutionRequest, ExecutionStatus, Outcome, StopReason, Usage,
    },
    id::{AgentId, ExecutionId},
    page::{MAX_PAGE, Page, PageRequest},
    ports::queue::Job,
    principal::Principal,
};
use tracing::info_span;

use crate::{
    Refusal,
    admit::{Admitted, Placement, admit},
    gateway::{Alive, Shared},
    run::run,
    unrun::{end_unrun, failed},
};

/// Submits, reads and cancels executions. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Executions {
    pub(crate) shared: Arc<Shared>,
    pub(crate) _alive: Arc<Alive>,
}

/// What became of a request.
#[derive(Debug)]
pub enum Submitted {
    /// It ran to its end.
    Finished(Completed),
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
    /// How it ended.
    pub outcome: Arc<Outcome>,
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
    /// From the record on it goes on in a task of its own. When the returned future is dropped, a run that was waited for is
    /// cancelled, and recorded as such.
    pub async fn submit(&self, request: ExecutionRequest) -> Result<Submitted, Refusal> {
        // Held while this is under way, so that a shutdown waits for it.
        let _under_way = self.shared.tasks.token();
        if self.shared.tasks.stopping().is_cancelled() {
            return Err(Refusal::ShuttingDown);
        }
        let admitted = admit(request, &self.shared.snapshot.load(), &self.shared.ports)?;
        match admitted.placement {
            Placement::Here => self.wait(admitted).await.map(Submitted::Finished),
            Placement::Queue => self.detach(admitted.execution).await.map(Submitted::Queued),
        }
    }

    async fn wait(&self, admitted: Admitted) -> Result<Completed, Refusal> {
        let Admitted { plan, execution, .. } = admitted;
        let (execution_id, agent_id) = (execution.id.clone(), execution.agent_id.clone());
        let seat = self.shared.running.wait(&execution_id).ok_or(Refusal::Busy)?;
        let abandoned = seat.cancel().clone().drop_guard();
        let shared = self.shared.clone();
        let task = self.shared.tasks.spawn(info_span!("execution", id = %execution_id), async move {
            shared.ports.persistence.executions().create(&execution).await?;
            run(&shared.ports, &shared.recipe, plan, &execution, &seat).await
        });
        let outcome = task.await.map_err(broken)??;
        abandoned.disarm();
        Ok(Completed { execution_id, agent_id, outcome })
    }

    /// A job that cannot be queued leaves no queued record behind.
    async fn detach(&self, execution: Execution) -> Result<Box<Execution>, Refusal> {
        let shared = self.shared.clone();
        let task = self.shared.tasks.spawn(info_span!("enqueue", id = %execution.id), async move {
            shared.ports.persistence.executions().create(&execution).await?;
            let job = Job::new(execution.id.clone(), execution.created_at);
            if let Err(error) = shared.ports.queue.enqueue(&job).await {
                end_unrun(&shared.ports, &execution, failed("the queue did not accept the execution"))
                    .await?;
                return Err(error);
            }
            Ok(Box::new(execution))
        });
        Ok(task.await.map_err(broken)??)
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
            if self.shared.running.cancel(id) {
                return Ok(CancelOutcome::Requested);
            }
            // Nobody here runs it. It is ended in the store, and another process that does run it is told.
            let outcome = Outcome::new(StopReason::Cancelled, "", Usage::default());
            let outcome = outcome.error("the execution was cancelled");
            if end_unrun(&self.shared.ports, &execution, outcome).await? == Advanced::Applied {
                self.shared.ports.queue.request_cancel(id).await?;
                return Ok(CancelOutcome::Requested);
            }
        }
        Err(Error::conflict("the execution moved on each time it was to be cancelled").with("execution", id))
    }
}

/// The most executions of one tree that are read.
const MAX_TREE: usize = 5_000;
/// How often a cancellation looks again when the execution moved on meanwhile.
const CANCEL_TRIES: usize = 5;

fn broken(error: tokio::task::JoinError) -> Error {
    Error::unexpected("the execution's task ended abnormally").caused_by(error)
}
