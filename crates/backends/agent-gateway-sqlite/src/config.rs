//! Where the database is and how it is run.
use std::{fmt, path::PathBuf};

use agent_gateway_core::{Error, Result};

/// The readers of a database when nobody says otherwise.
const DEFAULT_READERS: u32 = 4;

/// How to open a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    pub(crate) place: Place,
    pub(crate) table_prefix: String,
    pub(crate) max_readers: u32,
    pub(crate) synchronous: Synchronous,
    pub(crate) max_bytes: Option<u64>,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In memory, gone with the process.
    Memory,
    /// In a file, with a `-wal` and a `-shm` file beside it while it is open.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str(":memory:"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// When a commit reaches the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// A commit survives the death of the process; a loss of power may undo the last ones, and never half of one.
    #[default]
    Normal,
    /// A commit survives a loss of power too. Every commit waits for the disk.
    Full,
}

impl SqliteConfig {
    /// A database at this place, with the defaults: no prefix, 4 readers, [`Synchronous::Normal`], no limit of size.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place,
            table_prefix: String::new(),
            max_readers: DEFAULT_READERS,
            synchronous: Synchronous::default(),
            max_bytes: None,
        }
    }

    /// A database in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(Place::Memory)
    }

    /// A database in this file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Place::File(path.into()))
    }

    /// Reads a URL or a path.
    ///
    /// - `:memory:` and `sqlite::memory:` are in memory.
    /// - `data.db`, `sqlite:data.db`, `sqlite://data.db`, `sqlite:///data.db` and `sqlite+aiosqlite:///data.db` are relative
    ///   to the working directory: after three slashes a path is relative, after four absolute, as in `SQLAlchemy`.
    /// - `/var/data.db`, `sqlite:/var/data.db` and `sqlite:////var/data.db` are absolute.
    /// - `?synchronous=full` or `?synchronous=normal` may follow.
    ///
    /// Anything else is `Misconfigured`.
    pub fn parse(url: &str) -> Result<Self> {
        let (place, query) = match url.split_once('?') {
            Some((place, query)) => (place, query),
            None => (url, ""),
        };
        let mut config = Self::new(parse_place(place)?);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            config.synchronous = match pair {
                "synchronous=full" => Synchronous::Full,
                "synchronous=normal" => Synchronous::Normal,
                _ => {
                    return Err(wrong(
                        "not a setting of a SQLite URL: `synchronous=full` and `synchronous=normal` are",
                    )
                    .with("setting", pair));
                }
            };
        }
        Ok(config)
    }

    /// Puts this before the name of every table: empty, or `[a-z_][a-z0-9_]*` of at most 24 bytes, which opening checks.
    #[must_use]
    pub fn table_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.table_prefix = prefix.into();
        self
    }

    /// How many reads may run at the same time, at least one.
    #[must_use]
    pub fn max_readers(mut self, readers: u32) -> Self {
        self.max_readers = readers.max(1);
        self
    }

    /// When a commit reaches the disk.
    #[must_use]
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// The size that the database file may reach; a write beyond it is `Unavailable` and leaves nothing behind.
    #[must_use]
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }
}

fn parse_place(text: &str) -> Result<Place> {
    let path = match text.split_once(':') {
        // A path that only looks like it has a scheme, such as `a/b:c.db`, or a drive letter.
        Some((scheme, rest)) if is_scheme(scheme) => match scheme {
            "sqlite" | "sqlite+aiosqlite" => {
                rest.strip_prefix("///").or_else(|| rest.strip_prefix("//")).unwrap_or(rest)
            }
            _ => {
                return Err(wrong("not the URL of a SQLite database: it begins with `sqlite:`")
                    .with("scheme", scheme));
            }
        },
        _ => text,
    };
    match path {
        ":memory:" => Ok(Place::Memory),
        "" => Err(wrong("the URL of the database names no file; `:memory:` keeps it in memory")),
        path => Ok(Place::File(path.into())),
    }
}

fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
}

fn wrong(message: &'static str) -> Error {
    Error::misconfigured(message).during("sqlite.config")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_the_same_file_in_many_ways() {
        let file = |path: &str| Place::File(path.into());
        for (url, place) in [
            (":memory:", Place::Memory),
            ("sqlite::memory:", Place::Memory),
            ("sqlite://:memory:", Place::Memory),
            ("sqlite+aiosqlite:///:memory:", Place::Memory),
            ("data.db", file("data.db")),
            ("dir/data.db", file("dir/data.db")),
            ("/abs/data.db", file("/abs/data.db")),
            ("sqlite:data.db", file("data.db")),
            ("sqlite:/abs/data.db", file("/abs/data.db")),
            ("sqlite://data.db", file("data.db")),
            ("sqlite:///data.db", file("data.db")),
            ("sqlite:////abs/data.db", file("/abs/data.db")),
            ("sqlite+aiosqlite:///data.db", file("data.db")),
            ("sqlite+aiosqlite:////abs/data.db", file("/abs/data.db")),
            ("./odd:name.db", file("./odd:name.db")),
        ] {
            assert_eq!(SqliteConfig::parse(url).unwrap(), SqliteConfig::new(place), "{url}");
        }
    }

    #[test]
    fn settings_follow_the_question_mark() {
        let full = SqliteConfig::parse("sqlite:a.db?synchronous=full").unwrap();
        assert_eq!(full, SqliteConfig::file("a.db").synchronous(Synchronous::Full));
        assert_eq!(SqliteConfig::parse("a.db?synchronous=normal").unwrap(), SqliteConfig::file("a.db"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in
            ["", "sqlite:", "sqlite://", "postgres://localhost/a", "a.db?synchronous=off", "a.db?mode=ro"]
        {
            let error = SqliteConfig::parse(bad).unwrap_err();
            assert_eq!(error.kind(), agent_gateway_core::ErrorKind::Misconfigured, "{bad}");
        }
    }
}
