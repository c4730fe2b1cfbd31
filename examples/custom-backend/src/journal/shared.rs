//! One journal for many callers: who may read, who may write, and in which order.
use std::{path::PathBuf, sync::Arc};

use agent_gateway_core::{Error, Result, in_process::InProcessStore};
use tokio::sync::{Mutex, OwnedMappedMutexGuard, OwnedMutexGuard};

use super::{change::Change, file::Journal};
use crate::blocking::blocking;

/// The journal behind every port. Its callers come one after the other.
#[derive(Debug)]
pub(super) struct Shared(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Open(Box<Journal>),
    Closed,
}

/// One caller's turn: nobody else, in no process, reads or writes the file until it is dropped.
///
/// A read begins a turn and asks its memory. A write is three lines: begin a turn, apply the change to its memory, append it.
/// What memory refuses is not appended. A caller who stops waiting cannot come in between: memory answers at once, and
/// appending goes on to its end.
#[derive(Debug)]
pub(super) struct Turn(OwnedMappedMutexGuard<State, Journal>);

impl Shared {
    pub(super) async fn open(path: PathBuf) -> Result<Self> {
        let journal = blocking(|| Journal::open(path)).await?;
        Ok(Self(Arc::new(Mutex::new(State::Open(Box::new(journal))))))
    }

    /// Begins a turn, in which memory holds everything that the file does.
    pub(super) async fn begin(&self) -> Result<Turn> {
        let state = self.0.clone().lock_owned().await;
        let journal = OwnedMutexGuard::try_map(state, |state| match state {
            State::Open(journal) => Some(&mut **journal),
            State::Closed => None,
        });
        let Ok(journal) = journal else { return Err(Error::unavailable("the journal is closed")) };
        blocking(move || {
            journal.lock()?;
            let mut turn = Turn(journal);
            turn.0.catch_up()?;
            Ok(turn)
        })
        .await
    }

    /// A whole write, for changes whose answer is only that they happened.
    pub(super) async fn write(&self, change: impl Into<Change>) -> Result<()> {
        let (change, turn) = (change.into(), self.begin().await?);
        change.apply(turn.memory()).await?;
        turn.append(change).await
    }

    /// Waits for the turn under way. There is nothing to flush: every write that was answered is on the disk.
    pub(super) async fn close(&self) {
        *self.0.lock().await = State::Closed;
    }
}

impl Turn {
    pub(super) fn memory(&self) -> &InProcessStore {
        self.0.memory()
    }

    /// Ends the turn with a change that memory has accepted.
    pub(super) async fn append(mut self, change: impl Into<Change>) -> Result<()> {
        let change = change.into();
        blocking(move || self.0.append(&change)).await
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.unlock();
    }
}
