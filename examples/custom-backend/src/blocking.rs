//! Work that waits for the disk.
use agent_gateway_core::{Error, Result};

/// Runs `work` where it may block. Once begun it goes on to its end, even if the caller no longer waits for it: what must be
/// undone then, `work` gives back in a value that undoes it when dropped.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or_else(|error| Err(Error::unexpected("work on the disk did not end").caused_by(error)))
}
