//! Leaves executions to the queue that has accepted them.
//!
//! An execution belongs to the process that created it until the queue has its job: a process that dies in between leaves an
//! orphan behind, and not a row that waits for ever. Afterwards it must not be that process's any more, or its end would make
//! orphans of all that waits. The note is written a moment later and for many at once: what was started meanwhile needs none.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{Result, id::ExecutionId};

use crate::{Ports, gateway::Shared, outage::Outage};

/// How long executions are gathered.
const PAUSE: Duration = Duration::from_millis(500);
/// The most that are kept in mind. What is over that stays this process's, and is looked after when it ends.
const MOST: usize = 100_000;

/// The executions that the queue has accepted, and of which the store does not know that.
#[derive(Debug, Default)]
pub(crate) struct Handover(Mutex<Vec<ExecutionId>>);

impl Handover {
    /// The queue has this one.
    pub(crate) fn note(&self, id: ExecutionId) {
        let mut accepted = self.accepted();
        if accepted.len() < MOST {
            accepted.push(id);
        }
    }

    /// Writes down what is noted.
    pub(crate) async fn flush(&self, ports: &Ports) -> Result<()> {
        let accepted = std::mem::take(&mut *self.accepted());
        if accepted.is_empty() {
            return Ok(());
        }
        let written = ports.persistence.executions().hand_over(&accepted, ports.presence.id()).await;
        if written.is_err() {
            self.accepted().extend(accepted);
        }
        written
    }

    fn accepted(&self) -> std::sync::MutexGuard<'_, Vec<ExecutionId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what is noted, until the gateway stops.
pub(crate) async fn hand_over(shared: Arc<Shared>) {
    let stopping = shared.tasks.stopping().clone();
    let mut outage = Outage::new("noting which executions wait in the queue");
    while stopping.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        match shared.handover.flush(&shared.ports).await {
            Ok(()) => outage.answered(),
            Err(error) => outage.failed(&error),
        }
    }
}
