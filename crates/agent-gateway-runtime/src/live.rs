//! What happened so far in a run of this process, for those who watch it.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_gateway_core::execution::{Cursor, LogEntry, Place};
use tokio::sync::Notify;

/// The log of one attempt and the text of its turn under way. Whoever watches reads at their own pace, from any place on: a
/// slow reader holds nobody up and costs nothing. It is as large as the run's log, which the limits of a run bound.
#[derive(Debug)]
pub(crate) struct Live {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    pieces: Vec<Piece>,
    /// The last log entry.
    last: Cursor,
    /// How much of the turn under way was said, in bytes.
    said: u64,
    stage: Stage,
}

/// How far an attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has not begun to write.
    Waiting,
    /// Its log begins behind this entry of the run's.
    Begun(Cursor),
    /// Nothing more comes.
    Closed,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// The model said something, so many bytes into the turn behind `after`.
    Text { after: Cursor, offset: u64, text: Arc<str> },
    /// An entry is in the log.
    Entry(Arc<LogEntry>),
}

/// What a reader finds behind its place.
pub(crate) enum News {
    /// This.
    Pieces(Vec<Piece>),
    /// Nothing yet.
    Nothing,
    /// Nothing, and there will be nothing.
    Closed,
}

impl Live {
    pub(crate) fn new() -> Self {
        let state = State { pieces: Vec::new(), last: Cursor::START, said: 0, stage: Stage::Waiting };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The attempt writes its log behind `last`.
    pub(crate) fn begin(&self, last: Cursor) {
        let mut state = self.state();
        state.last = last;
        state.stage = Stage::Begun(last);
        drop(state);
        self.changed.notify_waiters();
    }

    /// Whether a reader that has read the log up to `place` misses nothing here.
    pub(crate) fn continues(&self, place: Cursor) -> bool {
        matches!(self.state().stage, Stage::Begun(start) if start <= place)
    }

    /// Whether the turn under way is the one behind `after`.
    pub(crate) fn is_behind(&self, after: Cursor) -> bool {
        self.state().last == after
    }

    /// Whether so much was said of the turn behind `place`, as far as this process knows: nobody can have seen more.
    pub(crate) fn has_said(&self, place: Place) -> bool {
        let state = self.state();
        match state.stage {
            Stage::Begun(start) if start <= place.after && place.after == state.last => {
                place.part <= state.said
            }
            _ => true,
        }
    }

    /// The model said something. Answers where that stands.
    pub(crate) fn say(&self, text: &Arc<str>) -> (Cursor, u64) {
        let mut state = self.state();
        let (after, offset) = (state.last, state.said);
        state.said += text.len() as u64;
        state.pieces.push(Piece::Text { after, offset, text: text.clone() });
        drop(state);
        self.changed.notify_waiters();
        (after, offset)
    }

    /// These entries are in the log.
    pub(crate) fn publish(&self, entries: impl IntoIterator<Item = LogEntry>) {
        let mut state = self.state();
        for entry in entries {
            state.last = entry.sequence;
            state.said = 0;
            state.pieces.push(Piece::Entry(Arc::new(entry)));
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn close(&self) {
        self.state().stage = Stage::Closed;
        self.changed.notify_waiters();
    }

    /// What came behind the first `seen` pieces.
    pub(crate) fn news(&self, seen: usize) -> News {
        let state = self.state();
        match state.pieces.get(seen..) {
            Some(pieces) if !pieces.is_empty() => News::Pieces(pieces.to_vec()),
            _ if state.stage == Stage::Closed => News::Closed,
            _ => News::Nothing,
        }
    }

    /// Waits until there is something behind the first `seen` pieces, or there never will be.
    pub(crate) async fn wait(&self, seen: usize) -> News {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.news(seen) {
                News::Nothing => changed.await,
                news => return news,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
