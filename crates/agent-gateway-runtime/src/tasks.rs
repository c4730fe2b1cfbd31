//! The gateway's tasks: spawned under a span that names them in the log, drained in order.
use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};
use tracing::{Instrument, Span};

/// How long a task rests that panicked.
const REST: Duration = Duration::from_secs(1);

/// The tasks of one gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskSet {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Whether every task ended in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drained {
    /// They did.
    Whole,
    /// Some were still under way.
    TimedOut,
}

impl TaskSet {
    /// Fires when the gateway is to stop.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Runs a task beside the others. It is boxed first: a run's future is large, and spawning moves it several times.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that spawns")]
    pub(crate) fn spawn<F>(&self, span: Span, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        tokio::spawn(self.tracker.track_future(Box::pin(task).instrument(span)))
    }

    /// Runs a task that is to go on until the gateway stops: one that panics is begun again.
    pub(crate) fn keep<F>(&self, span: Span, begin: impl Fn() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(span, async move {
            while AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
                tracing::error!("a task of the gateway panicked and is begun again");
                tokio::time::sleep(REST).await;
            }
        });
    }

    /// Something under way that is no task: a drain waits until it is dropped.
    pub(crate) fn token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    /// How many tasks are under way.
    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits for the tasks to end by themselves.
    pub(crate) async fn drain(&self, within: Duration) -> Drained {
        self.tracker.close();
        match tokio::time::timeout(within, self.tracker.wait()).await {
            Ok(()) => Drained::Whole,
            Err(_) => Drained::TimedOut,
        }
    }
}
