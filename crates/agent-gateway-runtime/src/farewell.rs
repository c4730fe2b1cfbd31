//! How a gateway leaves: the time that it gives to what is under way, and the jobs that it gives back.
use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use agent_gateway_core::ports::queue::{Lease, Redelivery};
use futures::future::join_all;
use tokio::time::Instant;

use crate::Ports;

/// How long a step of the farewell may take that needs a backend.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What is kept until a gateway has left.
#[derive(Debug, Default)]
pub(crate) struct Farewell {
    until: OnceLock<Instant>,
    leases: Mutex<Vec<Lease>>,
}

impl Farewell {
    /// The time for what is under way begins now, unless it has begun.
    pub(crate) fn begin(&self, drain: Duration) {
        self.until.get_or_init(|| Instant::now() + drain);
    }

    /// What is left of it.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.get().map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Keeps the lease of an execution that this process will not end.
    pub(crate) fn keep(&self, lease: Lease) {
        self.leases().push(lease);
    }

    /// Gives back what was kept. This process is no longer known as alive by then, so that whoever gets a job runs on at once.
    pub(crate) async fn release(&self, ports: &Ports) {
        let leases = std::mem::take(&mut *self.leases());
        let released = leases.into_iter().map(|lease| async {
            let id = lease.execution_id().clone();
            if let Err(error) = ports.queue.release(lease, Redelivery::Now).await {
                tracing::warn!(execution_id = %id, error = ?error, "a job could not be given back; it comes again when its lease runs out");
            }
        });
        if tokio::time::timeout(PATIENCE, join_all(released)).await.is_err() {
            tracing::warn!(
                "some jobs could not be given back in time; they come again when their leases run out"
            );
        }
    }

    fn leases(&self) -> MutexGuard<'_, Vec<Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
