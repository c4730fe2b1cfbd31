//! Executions that wait in a queue which has forgotten them, as a broker does that lost its disk.
use std::time::Duration;

use agent_gateway_core::{
    Result,
    execution::{ExecutionQuery, ExecutionStatus},
    page::{MAX_PAGE, PageRequest},
    ports::queue::Job,
    principal::Principal,
};

use crate::gateway::Shared;

/// How often it is looked for them.
pub(crate) const EVERY: Duration = Duration::from_secs(30);
/// How long an execution waits before it is looked for.
const SETTLED: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Queues again what the store says is in the queue, when the queue says that it is empty. A job too many does no harm: it
/// finds its execution under way or ended.
pub(crate) async fn requeue_lost(shared: &Shared) -> Result<()> {
    let ports = &shared.ports;
    let depth = ports.queue.depth().await?;
    if depth.ready > 0 || depth.delayed > 0 {
        return Ok(());
    }
    let until = ports.clock.now().checked_sub(SETTLED).ok();
    let query = ExecutionQuery { status: Some(ExecutionStatus::Queued), until, ..ExecutionQuery::default() };
    let everything = Principal::system().visibility();
    let waiting =
        ports.persistence.executions().list(&query, &everything, PageRequest::first(MAX_PAGE)).await?;
    for execution in waiting.items.iter().filter(|execution| execution.instance.is_none()) {
        tracing::warn!(execution_id = %execution.id, "the queue has lost an execution; it is queued again");
        ports.queue.enqueue(&Job::new(execution.id.clone(), execution.created_at)).await?;
    }
    Ok(())
}
