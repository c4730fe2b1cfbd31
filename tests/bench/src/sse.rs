//! A streamed answer as its bytes arrive: HTTP head, chunks, events, and whether they are the ones that must come.
//!
//! Each byte is looked at once, and nothing is kept but the event under way: what a load generator spends on
//! reading is missing from the server under test.

mod chunks;
mod events;

use anyhow::{Result, bail, ensure};

use crate::model::DELTAS;
use crate::response::{Framing, find, head};
use chunks::Chunks;
use events::Events;

/// One answer to a streamed chat.
#[derive(Debug, Default)]
pub(crate) struct StreamedAnswer {
    stage: Stage,
    chunks: Chunks,
    events: Events,
    seen: Seen,
    closes: bool,
}

#[derive(Debug)]
enum Stage {
    /// What there is of the head.
    Head(Vec<u8>),
    Body,
    Ended,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

/// What has been heard so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) session: bool,
    pub(crate) tokens: usize,
    pub(crate) done: bool,
}

impl StreamedAnswer {
    /// Takes the next bytes from the connection; anything but the scripted answer is an error.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.stage {
            Stage::Head(begun) => {
                begun.extend_from_slice(bytes);
                let Some(head) = head(begun)? else { return Ok(()) };
                let body = begun.split_off(head.body);
                if head.status != 200 || !head.events || head.framing != Framing::Chunked {
                    let start = String::from_utf8_lossy(body.get(..body.len().min(300)).unwrap_or_default());
                    bail!("status {}, not a chunked stream of events: {start}", head.status);
                }
                self.closes = head.closes;
                self.stage = Stage::Body;
                self.feed_body(&body)
            }
            Stage::Body => self.feed_body(bytes),
            Stage::Ended => bail!("{} bytes after the end of an answer", bytes.len()),
        }
    }

    fn feed_body(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { stage, chunks, events, seen, .. } = self;
        let used = chunks.feed(bytes, |part| events.feed(part, |event, data| seen.take(event, data)))?;
        if chunks.ended() {
            ensure!(seen.done, "the stream ended after {} tokens and without `done`", seen.tokens);
            ensure!(used == bytes.len(), "{} bytes after the end of an answer", bytes.len() - used);
            *stage = Stage::Ended;
        }
        Ok(())
    }

    /// Whether the head has come, and it was a good one.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.stage, Stage::Head(_))
    }

    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen
    }

    /// Whether the connection serves no further request.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }
}

impl Seen {
    /// The tokens must be those of the model, in order and one for each delta.
    fn take(&mut self, event: &[u8], data: &[u8]) -> Result<()> {
        let shown = || String::from_utf8_lossy(data.get(..data.len().min(300)).unwrap_or_default());
        ensure!(!self.done, "an event after `done`: {}", shown());
        match event {
            b"session" => {
                ensure!(!self.session && self.tokens == 0, "`session` is not the first event: {}", shown());
                self.session = true;
            }
            b"token" => {
                let Some(delta) = DELTAS.get(self.tokens) else {
                    bail!("more than {} tokens: {}", DELTAS.len(), shown());
                };
                let good = find(data, delta.as_bytes()).is_some();
                ensure!(good, "token {} is not {delta:?}: {}", self.tokens + 1, shown());
                self.tokens += 1;
            }
            b"done" => {
                let expected = DELTAS.len();
                ensure!(self.tokens == expected, "`done` after {} of {expected} tokens", self.tokens);
                self.done = true;
            }
            other => bail!("an event `{}`: {}", String::from_utf8_lossy(other), shown()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
