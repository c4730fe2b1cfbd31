//! Callbacks that watch.
use std::{fmt, sync::Arc};

use futures::{FutureExt, future::BoxFuture};

use super::{Event, Occurrence};

type Callback = dyn Fn(Occurrence) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

/// A callback for one event. It can change nothing.
#[derive(Clone)]
pub struct Observer {
    event: Event,
    callback: Arc<Callback>,
}

impl Observer {
    /// Calls `callback` at each of these events. It answers nothing, or a `Result` whose error is logged.
    pub fn new<F, R>(event: Event, callback: F) -> Self
    where
        F: Fn(Occurrence) -> R + Send + Sync + 'static,
        R: Future<Output: Observed> + Send + 'static,
    {
        let callback = move |occurrence| callback(occurrence).map(Observed::into_result).boxed();
        Self { event, callback: Arc::new(callback) }
    }

    /// The event that it watches.
    #[must_use]
    pub fn event(&self) -> Event {
        self.event
    }

    /// Calls it. An error says what the callback said.
    pub async fn tell(&self, occurrence: Occurrence) -> Result<(), String> {
        (self.callback)(occurrence).await
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("event", &self.event).finish_non_exhaustive()
    }
}

/// What a callback of an observer may answer.
#[diagnostic::on_unimplemented(
    message = "a callback of `on` answers `()` or a `Result<(), E>` whose error can be displayed, not `{Self}`"
)]
pub trait Observed {
    /// The error as a text.
    fn into_result(self) -> Result<(), String>;
}

impl Observed for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: fmt::Display> Observed for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}
