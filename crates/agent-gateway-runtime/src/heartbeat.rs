//! Keeps a lease in a task of its own, so that a slow tool never looks like a dead worker.
use std::sync::Arc;

use agent_gateway_core::{ErrorKind, ports::queue::Lease};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::gateway::Shared;

/// A lease that is kept.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    enough: CancellationToken,
    keeping: JoinHandle<Lease>,
}

impl Heartbeat {
    /// Begins to keep a lease.
    pub(crate) fn start(shared: &Arc<Shared>, lease: Lease) -> Self {
        let enough = CancellationToken::new();
        let keeping = keep(shared.clone(), lease, enough.clone());
        Self { enough, keeping: shared.tasks.spawn(tracing::Span::current(), keeping) }
    }

    /// Stops, and gives the lease back to be settled.
    pub(crate) async fn stop(self) -> Option<Lease> {
        self.enough.cancel();
        self.keeping.await.ok()
    }
}

/// Extends the lease until it is enough. Who lost it goes on all the same: the store says who runs an execution, and a
/// process that is alive is not overtaken.
async fn keep(shared: Arc<Shared>, lease: Lease, enough: CancellationToken) -> Lease {
    let visibility = shared.limits.visibility;
    loop {
        if enough.run_until_cancelled(tokio::time::sleep(visibility / 3)).await.is_none() {
            return lease;
        }
        match shared.ports.queue.extend(&lease, visibility).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => {
                tracing::warn!("the lease was lost; the execution goes on, and the job will find it");
                enough.cancelled().await;
                return lease;
            }
            Err(error) => {
                tracing::warn!(error = ?error, "the lease could not be extended; it is tried again")
            }
        }
    }
}
