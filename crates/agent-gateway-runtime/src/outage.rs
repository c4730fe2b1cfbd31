//! Tells the operator when something goes away, now and then that it still is, and when it is back.
use std::time::Duration;

use agent_gateway_core::Error;
use tokio::time::Instant;

/// How often it is said that something is still away.
const AGAIN: Duration = Duration::from_secs(60);

/// Whether something that is asked again and again answers.
#[derive(Debug)]
pub(crate) struct Outage {
    what: &'static str,
    since: Option<Instant>,
    told: Option<Instant>,
}

impl Outage {
    /// Nothing is wrong yet. `what` begins a sentence.
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, since: None, told: None }
    }

    /// It did not answer.
    pub(crate) fn failed(&mut self, error: &Error) {
        let since = *self.since.get_or_insert_with(Instant::now);
        if self.told.is_none_or(|told| told.elapsed() >= AGAIN) {
            self.told = Some(Instant::now());
            let (what, seconds) = (self.what, since.elapsed().as_secs());
            tracing::warn!(seconds, error = ?error, "{what} failed; it is tried again");
        }
    }

    /// It answered.
    pub(crate) fn answered(&mut self) {
        self.told = None;
        if let Some(since) = self.since.take() {
            let (what, seconds) = (self.what, since.elapsed().as_secs());
            tracing::info!(seconds, "{what} works again");
        }
    }
}
