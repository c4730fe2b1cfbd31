//! The one place that spawns.
use tokio_util::sync::CancellationToken;

/// Runs a task until it is done or the token is cancelled.
#[expect(
    clippy::disallowed_methods,
    reason = "a backend has no TaskSet; every task of this crate ends with its session or its queue"
)]
pub(crate) fn spawn_until(end: CancellationToken, task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        end.run_until_cancelled(task).await;
    });
}

/// Runs a task that ends by itself.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    spawn_until(CancellationToken::new(), task);
}
