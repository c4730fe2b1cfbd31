//! The directory and its places. Everything here blocks.
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use agent_gateway_core::{Error, Result};

use super::name::Name;
use crate::error;

/// Where a file lies says what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Being written. What a crash leaves here was never accepted.
    Draft,
    Ready,
    Leased,
    Delayed,
    Dead,
    /// Requests to stop.
    Cancelled,
}

impl Place {
    const ALL: [Self; 6] =
        [Self::Draft, Self::Ready, Self::Leased, Self::Delayed, Self::Dead, Self::Cancelled];

    fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Delayed => "delayed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Whether a file was there to be moved or removed. Of several who try, one finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Here,
    Gone,
}

/// The directory of a queue, as one handle sees it.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    closed: AtomicBool,
    settling: Mutex<()>,
}

impl Directory {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let directory = Self { path, closed: AtomicBool::new(false), settling: Mutex::new(()) };
        directory.make()?;
        Ok(directory)
    }

    pub(super) fn make(&self) -> Result<()> {
        for place in Place::ALL {
            let path = self.path.join(place.word());
            fs::create_dir_all(&path).map_err(|error| error::opening("spool.open", &path, error))?;
        }
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable("the spool is closed"));
        }
        Ok(())
    }

    /// Who uses a lease first looks for its file and then moves it. A worker extends a lease while it completes it: in one
    /// handle, one use comes after the other, so that the first does not take the file from under the second's eyes.
    pub(super) fn settling(&self) -> MutexGuard<'_, ()> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, place: Place, name: &str) -> PathBuf {
        self.path.join(place.word()).join(name)
    }

    /// The names of a place, in their order.
    pub(super) fn names(&self, place: Place) -> Result<Vec<String>> {
        let path = self.path.join(place.word());
        let read = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&path)? {
                // What is no text was not written here.
                names.extend(entry?.file_name().into_string().ok());
            }
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(|error| error::using("spool.list", &path, error))
    }

    /// The jobs of a place, in the order of their names.
    pub(super) fn jobs(&self, place: Place) -> Result<Vec<Name>> {
        Ok(self.names(place)?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Writes a file that is whole as soon as anybody can see it, and answers when the disk has it.
    pub(super) fn write(&self, place: Place, name: &str, content: &[u8]) -> Result<()> {
        let draft = self.file(Place::Draft, name);
        let write = || -> io::Result<()> {
            let mut file = fs::File::create_new(&draft)?;
            io::Write::write_all(&mut file, content)?;
            file.sync_all()?;
            fs::rename(&draft, self.file(place, name))?;
            self.sync(place)
        };
        write().map_err(|error| {
            let _ = fs::remove_file(&draft);
            error::using("spool.write", &draft, error)
        })
    }

    /// The content of a file, `None` when it is gone.
    pub(super) fn read(&self, place: Place, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.file(place, name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error::using("spool.read", &path, error)),
        }
    }

    /// Moves a file, which happens whole or not at all.
    pub(super) fn rename(&self, from: (Place, Name), to: (Place, Name)) -> Result<Found> {
        let path = self.file(from.0, &from.1.to_string());
        let moved = fs::rename(&path, self.file(to.0, &to.1.to_string()));
        found(moved).map_err(|error| error::using("spool.move", &path, error))
    }

    pub(super) fn remove(&self, place: Place, name: &str) -> Result<Found> {
        let path = self.file(place, name);
        found(fs::remove_file(&path)).map_err(|error| error::using("spool.remove", &path, error))
    }

    /// Makes what was moved or removed last through a power failure.
    pub(super) fn settle(&self, place: Place) -> Result<()> {
        self.sync(place).map_err(|error| error::using("spool.sync", &self.path, error))
    }

    #[cfg(unix)]
    fn sync(&self, place: Place) -> io::Result<()> {
        fs::File::open(self.path.join(place.word()))?.sync_all()
    }

    /// Elsewhere a directory cannot be opened, and its entries are the file system's own care.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the signature is that of unix")]
    fn sync(&self, _: Place) -> io::Result<()> {
        Ok(())
    }
}

fn found(done: io::Result<()>) -> io::Result<Found> {
    match done {
        Ok(()) => Ok(Found::Here),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Gone),
        Err(error) => Err(error),
    }
}
