//! The body of an answer, read piece by piece under bounds of time and size.
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use reqwest::Response;
use tokio::time::{Instant, timeout_at};

use super::error::{Cause, TimeLimit};

#[derive(Debug)]
pub(super) struct Body {
    body: reqwest::Body,
    /// Its length, where the server announced one.
    length: Option<usize>,
    deadline: Instant,
    total: Duration,
    left: usize,
    limit: usize,
}

impl Body {
    /// Reads at most `limit` bytes, and not after `deadline`, which is `total` after the call began.
    pub(super) fn new(response: Response, deadline: Instant, total: Duration, limit: usize) -> Self {
        let length = response.content_length().and_then(|length| usize::try_from(length).ok());
        // The head is let go of: it would keep the buffer alive that the connection reads into.
        let (_, body) = http::Response::from(response).into_parts();
        Self { body, length, deadline, total, left: limit, limit }
    }

    /// The next piece of data.
    async fn chunk(&mut self) -> Result<Option<Bytes>, reqwest::Error> {
        loop {
            match self.body.frame().await {
                None => return Ok(None),
                Some(frame) => {
                    // What is no data is trailers, which say nothing on this wire.
                    if let Ok(data) = frame?.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The next piece, `None` at the end. `wait` names a limit of time shorter than the deadline.
    pub(super) async fn next(&mut self, wait: Option<(TimeLimit, Duration)>) -> Result<Option<Bytes>, Cause> {
        let until = wait.map_or(self.deadline, |(_, limit)| self.deadline.min(Instant::now() + limit));
        let Ok(read) = timeout_at(until, self.chunk()).await else {
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
        let announced = self.length;
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
        while let Ok(Ok(Some(_))) = timeout_at(until, self.chunk()).await {}
    }
}
