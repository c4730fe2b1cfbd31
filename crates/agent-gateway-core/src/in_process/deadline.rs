//! Instants that lie ahead.
use std::time::Duration;

use tokio::time::Instant;

/// What stands for "never": far enough for every process, near enough for every platform's clock.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The instant `duration` from now, held below thirty years.
pub(super) fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(FAR)
}
