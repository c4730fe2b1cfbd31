//! Connections: one writer, and readers that open when they are first needed.
use std::{path::Path, time::Duration};

use agent_gateway_core::{Error, Result};
use sqlx::{
    ConnectOptions, SqlitePool,
    sqlite::{
        SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};

use crate::{
    Place, SqliteConfig, Synchronous,
    error::{Code, code, convert_early},
};

/// How long a statement waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a lock is waited for before the caller hears of it.
pub(crate) const BUSY_ATTEMPTS: u32 = 3;
/// How long a read waits for a free reader.
const READER_TIMEOUT: Duration = Duration::from_secs(10);
/// A reader that nobody needs for this long is closed.
const READER_IDLE: Duration = Duration::from_secs(60);
/// Statements that each connection keeps prepared.
const STATEMENTS: usize = 256;
/// Pages of 4 KiB after which the log of commits is moved into the database.
const CHECKPOINT_PAGES: &str = "4000";
/// The size to which the log of commits is cut back, in bytes.
const WAL_BYTES: &str = "67108864";
/// What a page holds.
const PAGE_BYTES: u64 = 4096;

/// Opens the connection that writes, and makes the file where there is none.
pub(crate) async fn writer(config: &SqliteConfig) -> Result<SqliteConnection> {
    if let Place::File(path) = &config.place {
        check_path(path)?;
    }
    let options = writer_options(config);
    let mut attempt = 1;
    loop {
        // Turning WAL on needs a lock that SQLite does not wait for.
        match options.connect().await {
            Err(error) if code(&error) == Some(Code::Busy) && attempt < BUSY_ATTEMPTS * 10 => {
                tokio::time::sleep(Duration::from_millis(20 * u64::from(attempt))).await;
                attempt += 1;
            }
            connected => {
                return connected
                    .map_err(|error| convert_early("sqlite.open", error).with("path", &config.place));
            }
        }
    }
}

/// The readers; `None` for a database in memory, which only its writer can see.
pub(crate) fn readers(config: &SqliteConfig) -> Option<SqlitePool> {
    let Place::File(path) = &config.place else { return None };
    let options = base_options(path).read_only(true).thread_name(|id| format!("sqlite-reader-{id}"));
    let pool = SqlitePoolOptions::new()
        .max_connections(config.max_readers)
        .acquire_timeout(READER_TIMEOUT)
        .idle_timeout(READER_IDLE)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_lazy_with(options);
    Some(pool)
}

fn base_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        .statement_cache_capacity(STATEMENTS)
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

fn writer_options(config: &SqliteConfig) -> SqliteConnectOptions {
    let options = match &config.place {
        Place::Memory => base_options(Path::new(":memory:")),
        Place::File(path) => base_options(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("journal_size_limit", WAL_BYTES),
    };
    let options = match config.max_bytes {
        Some(bytes) => options.pragma("max_page_count", (bytes / PAGE_BYTES).max(1).to_string()),
        None => options,
    };
    options
        .synchronous(match config.synchronous {
            Synchronous::Normal => SqliteSynchronous::Normal,
            Synchronous::Full => SqliteSynchronous::Full,
        })
        .foreign_keys(true)
        .thread_name(|id| format!("sqlite-writer-{id}"))
}

/// Says plainly what SQLite would call "unable to open database file".
fn check_path(path: &Path) -> Result<()> {
    let wrong = |message| Error::misconfigured(message).during("sqlite.open").with("path", path.display());
    if path.is_dir() {
        return Err(wrong("the path of the database is a directory: name a file in it"));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if parent.is_some_and(|parent| !parent.is_dir()) {
        return Err(wrong("the directory of the database is not there: create it, or name another path"));
    }
    Ok(())
}
