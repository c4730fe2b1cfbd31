//! What all tools share: the end of the gateway ends their calls, and waits for their processes.
use std::time::Duration;

use agent_gateway_core::{Error, Result};
use tokio::time::Instant;
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker, task_tracker::TaskTrackerToken},
};

/// Longer than any call, shorter than what an [`Instant`] can hold.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// When a call that starts now and may take `timeout` must be over.
pub(crate) fn deadline(timeout: Duration) -> Instant {
    Instant::now() + timeout.min(FOREVER)
}

/// The life of a [`FileTools`](crate::FileTools), shared by its tools and processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct House {
    closing: CancellationToken,
    inside: TaskTracker,
}

impl House {
    /// Runs a call until it ends or the house closes, whichever comes first.
    pub(crate) async fn run<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let closed = || Err(Error::unavailable("the gateway is shutting down"));
        if self.closing.is_cancelled() {
            return closed();
        }
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.closing.cancelled() => closed(),
        }
    }

    /// Counts something that [`House::close`] waits for, until the token is dropped.
    pub(crate) fn enter(&self) -> TaskTrackerToken {
        self.inside.token()
    }

    /// Starts a task that runs beside the calls, and is aborted with the handle.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(self.inside.spawn(task))
    }

    /// Ends all calls and refuses new ones.
    pub(crate) fn close(&self) {
        self.closing.cancel();
        self.inside.close();
    }

    /// Waits until everything that entered has left.
    pub(crate) async fn left(&self) {
        self.inside.wait().await;
    }

    /// Ends when the house closes.
    pub(crate) async fn closing(&self) {
        self.closing.cancelled().await;
    }
}
