//! Executions that wait in a queue which has forgotten them, as a broker does that lost its disk.
use std::time::Duration;

use agent_gateway_core::{
    Result,
    execution::{ExecutionQuery, ExecutionStatus},
    page::{MAX_PAGE, PageRequest},
    ports::queue::Job,
    principal::Principal,
};
use jiff::SignedDuration;
use tokio::time::Instant;

use crate::{gateway::Shared, recovery::is_due};

/// How often it is looked whether the queue is empty.
const LOOK: Duration = Duration::from_secs(30);
/// How long an execution has waited that an empty queue has lost.
const SETTLED: SignedDuration = SignedDuration::from_secs(60);
/// How often what waits for long is queued again although the queue has jobs, and how long that is.
const DOUBT: Duration = Duration::from_secs(600);

/// When it was looked for lost executions.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    looked: Option<Instant>,
    doubted: Option<Instant>,
}

impl Lost {
    /// Queues again what the store says is in the queue: soon when the queue says that it is empty, else what has waited for
    /// long. A job too many does no harm: it finds its execution under way or ended.
    pub(crate) async fn look(&mut self, shared: &Shared) -> Result<()> {
        if !is_due(self.looked, LOOK) {
            return Ok(());
        }
        let depth = shared.ports.queue.depth().await?;
        if depth.ready == 0 && depth.delayed == 0 {
            queue_again(shared, SETTLED).await?;
        } else if is_due(self.doubted, DOUBT) {
            queue_again(shared, SignedDuration::try_from(DOUBT).unwrap_or(SETTLED)).await?;
            self.doubted = Some(Instant::now());
        }
        self.looked = Some(Instant::now());
        Ok(())
    }
}

async fn queue_again(shared: &Shared, waiting_for: SignedDuration) -> Result<()> {
    let ports = &shared.ports;
    let until = ports.clock.now().checked_sub(waiting_for).ok();
    let query = ExecutionQuery { status: Some(ExecutionStatus::Queued), until, ..ExecutionQuery::default() };
    let everything = Principal::system().visibility();
    let waiting =
        ports.persistence.executions().list(&query, &everything, PageRequest::first(MAX_PAGE)).await?;
    for execution in waiting.items.iter().filter(|execution| execution.instance.is_none()) {
        tracing::warn!(execution_id = %execution.id, "the queue may have lost an execution; it is queued again");
        ports.queue.enqueue(&Job::new(execution.id.clone(), execution.created_at)).await?;
    }
    Ok(())
}
