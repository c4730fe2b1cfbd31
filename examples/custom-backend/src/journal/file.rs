//! The file and the memory that is made of it. Everything here blocks.
use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Seek, SeekFrom, Write},
    path::PathBuf,
    time::Duration,
};

use agent_gateway_core::{Error, Result, in_process::InProcessStore};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{runtime::Handle, time::Instant};

use super::change::{Change, Header};
use crate::error;

/// The version of the format that this build writes and reads.
const VERSION: u32 = 1;
/// How many rows of a kind a new journal's memory holds.
const CAPACITY: usize = 10_000;
/// How long another process may hold the file.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a file that is held is tried again.
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    memory: InProcessStore,
    /// How much of the file is in memory.
    read: Position,
}

/// A place between two lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Position {
    bytes: u64,
    lines: u64,
}

impl Journal {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let mut options = OpenOptions::new();
        let opened = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(|error| error::opening("journal.open", &path, error))?;
        let memory = InProcessStore::with_capacity(CAPACITY);
        let mut journal = Self { path, file, memory, read: Position::default() };
        journal.lock()?;
        journal.catch_up()?;
        if journal.read == Position::default() {
            journal.append(&Header { journal: VERSION, capacity: CAPACITY })?;
        }
        journal.unlock();
        Ok(journal)
    }

    pub(super) fn memory(&self) -> &InProcessStore {
        &self.memory
    }

    /// Keeps everyone else from the file, in this process and in others.
    pub(super) fn lock(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::unavailable("another process holds the journal for too long")
                        .during("journal.lock")
                        .with("path", self.path.display()));
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error::using("journal.lock", &self.path, error));
                }
            }
        }
    }

    pub(super) fn unlock(&self) {
        // It cannot fail where locking worked, and closing the file unlocks it too.
        let _ = self.file.unlock();
    }

    /// Replays what was appended since the last time, by whomever. Needs the lock.
    pub(super) fn catch_up(&mut self) -> Result<()> {
        let failed = |path: &PathBuf, error| error::using("journal.read", path, error);
        let length = self.file.metadata().map_err(|error| failed(&self.path, error))?.len();
        if length < self.read.bytes {
            return Err(self.damaged("the journal has become shorter: something else writes the file"));
        }
        if length == self.read.bytes {
            return Ok(());
        }
        let handle = self.file.try_clone().map_err(|error| failed(&self.path, error))?;
        let mut lines = BufReader::new(handle);
        lines.seek(SeekFrom::Start(self.read.bytes)).map_err(|error| failed(&self.path, error))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let bytes = lines.read_until(b'\n', &mut line).map_err(|error| failed(&self.path, error))?;
            match line.last() {
                None => return Ok(()),
                Some(b'\n') => self.replay(&line)?,
                // Whoever wrote it holds no lock any more, and was never told that it was stored.
                Some(_) => {
                    return self.file.set_len(self.read.bytes).map_err(|error| failed(&self.path, error));
                }
            }
            self.read = Position { bytes: self.read.bytes + bytes as u64, lines: self.read.lines + 1 };
        }
    }

    fn replay(&mut self, line: &[u8]) -> Result<()> {
        if self.read.lines == 0 {
            let header: Header = self.parse(line)?;
            if header.journal > VERSION {
                return Err(self.damaged("the journal was written by a newer build: use that one"));
            }
            self.memory = InProcessStore::with_capacity(header.capacity);
            return Ok(());
        }
        let change: Change = self.parse(line)?;
        let applied = Handle::current().block_on(change.apply(&self.memory));
        applied.map_err(|error| {
            self.damaged("a line does not follow from those before it: restore a backup").caused_by(error)
        })
    }

    fn parse<T: DeserializeOwned>(&self, line: &[u8]) -> Result<T> {
        serde_json::from_slice(line).map_err(|error| {
            self.damaged("a line of the journal cannot be read: restore a backup").caused_by(error)
        })
    }

    fn damaged(&self, what: &'static str) -> Error {
        Error::misconfigured(what)
            .during("journal.read")
            .with("path", self.path.display())
            .with("line", self.read.lines + 1)
    }

    /// Appends one line that memory holds already. Needs the lock, and memory that holds all other lines.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<()> {
        let stored = self.store(line);
        if stored.is_err() {
            self.take_back();
        }
        stored
    }

    fn store(&mut self, line: &impl Serialize) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|error| {
            Error::unexpected("a change is no JSON").during("journal.append").caused_by(error)
        })?;
        text.push(b'\n');
        let mut write = || {
            self.file.seek(SeekFrom::Start(self.read.bytes))?;
            self.file.write_all(&text)?;
            self.file.sync_data()
        };
        write().map_err(|error| error::using("journal.append", &self.path, error))?;
        self.read = Position { bytes: self.read.bytes + text.len() as u64, lines: self.read.lines + 1 };
        Ok(())
    }

    /// Nothing of a failed write has happened: not in the file, and not in memory, which is read anew by the next caller.
    fn take_back(&mut self) {
        // Where this fails too, the rest is a torn line, or one that the caller was not told of.
        let _ = self.file.set_len(self.read.bytes);
        self.memory = InProcessStore::with_capacity(CAPACITY);
        self.read = Position::default();
    }
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::{
        ErrorKind, Timestamp,
        id::UserId,
        ports::persistence::{PersistenceBackend, UserProfile},
    };

    use super::super::users;
    use super::*;

    #[tokio::test]
    async fn a_failed_write_has_not_happened() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        let ann = UserProfile::new(UserId::new("ann").unwrap(), Timestamp::UNIX_EPOCH);
        let mut journal = Journal::open(path.clone()).unwrap();
        // A disk that fails.
        journal.file = File::open(&path).unwrap();

        journal.memory().users().put(&ann).await.unwrap();
        let error = journal.append(&Change::from(users::Change::Put(ann.clone()))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);

        journal.catch_up().unwrap();
        assert_eq!(journal.memory().users().get(&ann.id).await.unwrap(), None);
    }
}
