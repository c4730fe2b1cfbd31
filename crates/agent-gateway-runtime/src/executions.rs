//! What protocols do with executions. `submit` is the only entrance.
use std::sync::Arc;

use agent_gateway_core::{
    Result,
    execution::{
        Execution, ExecutionQuery, ExecutionRequest, ExecutionStatus, LogEntry, LogEvent, Outcome,
        StopReason, Transition, Usage,
    },
    id::{AgentId, ExecutionId},
    page::{Page, PageRequest},
    ports::queue::Job,
    principal::Principal,
};

use tracing::info_span;

use crate::{
    Refusal,
    admit::{Admitted, Placement, admit},
    gateway::Shared,
    run::{end_of_log, run},
};

/// Submits, reads and cancels executions. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Executions(pub(crate) Arc<Shared>);

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
    /// When the returned future is dropped, a run that was waited for is cancelled, and recorded as such.
    pub async fn submit(&self, request: ExecutionRequest) -> Result<Submitted, Refusal> {
        let shared = &self.0;
        if shared.tasks.stopping().is_cancelled() {
            return Err(Refusal::ShuttingDown);
        }
        if shared.running.len() >= shared.limits.max_running {
            return Err(Refusal::Busy);
        }
        let admitted = admit(request, &shared.snapshot.load(), &shared.ports)?;
        shared.ports.persistence.executions().create(&admitted.execution).await?;
        match admitted.placement {
            Placement::Here => self.wait(admitted).await.map(Submitted::Finished),
            Placement::Queue => self.detach(admitted).await.map(|queued| Submitted::Queued(Box::new(queued))),
        }
    }

    async fn wait(&self, admitted: Admitted) -> Result<Completed, Refusal> {
        let Admitted { plan, execution, .. } = admitted;
        let (execution_id, agent_id) = (execution.id.clone(), execution.agent_id.clone());
        let seat = self.0.running.enter(execution_id.clone(), &self.0.cancel_all);
        let abandoned = seat.cancel().clone().drop_guard();
        let shared = self.0.clone();
        let task = self.0.tasks.spawn(info_span!("execution", id = %execution_id), async move {
            run(&shared.ports, &shared.recipe, plan, &execution, &seat).await
        });
        let outcome = task.await.map_err(|error| {
            agent_gateway_core::Error::unexpected("the execution's task ended abnormally").caused_by(error)
        })??;
        abandoned.disarm();
        Ok(Completed { execution_id, agent_id, outcome })
    }

    /// A job that cannot be queued leaves no queued record behind.
    async fn detach(&self, admitted: Admitted) -> Result<Execution, Refusal> {
        let execution = admitted.execution;
        let job = Job::new(execution.id.clone(), execution.created_at);
        if let Err(error) = self.0.ports.queue.enqueue(&job).await {
            let outcome = Outcome::new(StopReason::Error, "", Usage::default())
                .error("the queue did not accept the execution");
            finish_unrun(&self.0, &execution, outcome).await?;
            return Err(error.into());
        }
        Ok(execution)
    }

    /// The execution, `None` when there is none that the caller may see.
    pub async fn get(&self, id: &ExecutionId, who: &Principal) -> Result<Option<Execution>> {
        self.0.ports.persistence.executions().get(id, &who.visibility()).await
    }

    /// Executions, newest first.
    pub async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Principal,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        self.0.ports.persistence.executions().list(query, &who.visibility(), page).await
    }

    /// The whole tree that an execution belongs to, by depth and then by time; `None` when the caller may not see it.
    pub async fn workflow(&self, id: &ExecutionId, who: &Principal) -> Result<Option<Vec<Execution>>> {
        let Some(execution) = self.get(id, who).await? else { return Ok(None) };
        let root = execution.root_execution_id.clone().unwrap_or_else(|| execution.id.clone());
        let query = ExecutionQuery { root_execution_id: Some(root), ..ExecutionQuery::default() };
        let page = self.list(&query, who, PageRequest::first(agent_gateway_core::page::MAX_PAGE)).await?;
        let mut tree = page.items;
        if !tree.iter().any(|member| member.id == execution.id) {
            tree.push(execution);
        }
        tree.sort_by(|a, b| {
            (a.delegation_depth, a.created_at, &a.id).cmp(&(b.delegation_depth, b.created_at, &b.id))
        });
        Ok(Some(tree))
    }

    /// Stops an execution: its model call and its tools end at once, and it is recorded as cancelled.
    pub async fn cancel(&self, id: &ExecutionId, who: &Principal) -> Result<CancelOutcome> {
        let Some(execution) = self.get(id, who).await? else { return Ok(CancelOutcome::NotFound) };
        if execution.status.is_final() {
            return Ok(CancelOutcome::AlreadyFinal(execution.status));
        }
        if self.0.running.cancel(id) {
            return Ok(CancelOutcome::Requested);
        }
        // Nobody here runs it. Another process that does is told, and from now on it cannot write.
        let outcome =
            Outcome::new(StopReason::Cancelled, "", Usage::default()).error("the execution was cancelled");
        finish_unrun(&self.0, &execution, outcome).await?;
        self.0.ports.queue.request_cancel(id).await?;
        Ok(CancelOutcome::Requested)
    }
}

/// Ends an execution that nobody here runs. One that moved on meanwhile is left as it is.
pub(crate) async fn finish_unrun(shared: &Shared, execution: &Execution, outcome: Outcome) -> Result<()> {
    let at = shared.ports.clock.now();
    let sequence = end_of_log(&shared.ports, execution).await?.next();
    let entry = LogEntry { sequence, at, event: LogEvent::Finished(outcome.clone()) };
    let change = Transition::Finish { outcome: Box::new(outcome), entries: vec![entry], at };
    shared.ports.persistence.executions().advance(&execution.id, execution.fence, &change).await.map(drop)
}
