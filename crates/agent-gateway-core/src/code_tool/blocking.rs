//! Functions that are not async: they run beside the threads that serve.
use tokio::{sync::Semaphore, task::JoinHandle};

use crate::{Error, Result, tool::ToolOutput};

/// How many plain functions run at the same time in one process; others wait. It is a quarter of the threads that tokio keeps for
/// such work, because files and name lookups need the others.
pub(super) const MAX_RUNNING: usize = 128;
static PLACES: Semaphore = Semaphore::const_new(MAX_RUNNING);

/// Runs `work` on a thread where it may block.
///
/// A call that is dropped before its turn never runs. One that runs already goes on to its end, and nobody hears of it: a thread
/// cannot be stopped.
pub async fn off_thread<F>(work: F) -> Result<ToolOutput>
where
    F: FnOnce() -> Result<ToolOutput> + Send + 'static,
{
    let place =
        PLACES.acquire().await.map_err(|_| Error::unavailable("no plain function may run any more"))?;
    let mut running = Running(tokio::task::spawn_blocking(move || {
        let result = work();
        drop(place);
        result
    }));
    match (&mut running.0).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(Error::unexpected("the tool panicked")),
        Err(_) => Err(Error::unavailable("the process stops")),
    }
}

/// Takes back what has not begun when nobody waits for it any more.
struct Running<T>(JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
