//! The body of an answer, read piece by piece under bounds of time and size.
use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::error::{Cause, TimeLimit};

#[derive(Debug)]
pub(super) struct Body {
    response: Response,
    deadline: Instant,
    total: Duration,
    left: usize,
    limit: usize,
}

impl Body {
    /// Reads at most `limit` bytes, and not after `deadline`, which is `total` after the call began.
    pub(super) fn new(response: Response, deadline: Instant, total: Duration, limit: usize) -> Self {
        Self { response, deadline, total, left: limit, limit }
    }

    /// The next piece, `None` at the end. `wait` names a limit of time shorter than the deadline.
    pub(super) async fn next(&mut self, wait: Option<(TimeLimit, Duration)>) -> Result<Option<Bytes>, Cause> {
        let until = wait.map_or(self.deadline, |(_, limit)| self.deadline.min(Instant::now() + limit));
        let Ok(read) = timeout_at(until, self.response.chunk()).await else {
            let (limit, after) = match wait {
                Some(shorter) if until < self.deadline => shorter,
                _ => (TimeLimit::Total, self.total),
            };
            return Err(Cause::Time { limit, after });
        };
        let what = "broke the connection in the middle of its answer";
        let piece = read.map_err(|error| Cause::Connection { what, source: error.without_url() })?;
        let size = piece.as_ref().map_or(0, Bytes::len);
        self.left = self.left.checked_sub(size).ok_or(Cause::TooLarge { limit: self.limit })?;
        Ok(piece)
    }

    /// Everything up to the end; `first` is the limit of time before anything came, `idle` the one after.
    pub(super) async fn whole(
        &mut self,
        first: Option<(TimeLimit, Duration)>,
        idle: Duration,
    ) -> Result<Vec<u8>, Cause> {
        let announced = self.response.content_length().and_then(|length| usize::try_from(length).ok());
        if announced.is_some_and(|length| length > self.left) {
            return Err(Cause::TooLarge { limit: self.limit });
        }
        let mut whole = Vec::with_capacity(announced.unwrap_or_default());
        let mut wait = first;
        while let Some(piece) = self.next(wait).await? {
            whole.extend_from_slice(&piece);
            wait = Some((TimeLimit::Idle, idle));
        }
        Ok(whole)
    }

    /// Reads to the end for a short while, so that the connection can serve again.
    pub(super) async fn drain(&mut self, within: Duration) {
        let until = Instant::now() + within;
        while let Ok(Ok(Some(_))) = timeout_at(until, self.response.chunk()).await {}
    }
}
