//! The one conversion from the driver's errors.
use agent_gateway_core::{Error, Retry};
use agent_gateway_sql::closed;
use sqlx::Error as Driver;

/// SQLite's primary result codes, of which this crate knows those that it can say something about.
/// <https://www.sqlite.org/rescode.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    Busy,
    ReadOnly,
    Io,
    Corrupt,
    Full,
    CannotOpen,
    NoDatabase,
    OutOfMemory,
    Other,
}

/// The result code behind an error of the driver.
pub(crate) fn code(error: &Driver) -> Option<Code> {
    let extended: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(match extended & 0xff {
        5 | 6 => Code::Busy,
        7 => Code::OutOfMemory,
        8 => Code::ReadOnly,
        10 => Code::Io,
        11 => Code::Corrupt,
        13 => Code::Full,
        14 => Code::CannotOpen,
        26 => Code::NoDatabase,
        _ => Code::Other,
    })
}

/// Whether only the statement failed, so that its transaction can go on.
pub(crate) fn is_of_statement(error: &Driver) -> bool {
    code(error) == Some(Code::Other) || matches!(error, Driver::Decode(_) | Driver::ColumnDecode { .. })
}

/// The same while opening and preparing: what may not be written or opened then, no later attempt can.
pub(crate) fn convert_early(operation: &'static str, error: Driver) -> Error {
    let message = match code(&error) {
        Some(Code::ReadOnly) => {
            "the database cannot be written: give this process the right to write the file and its directory"
        }
        Some(Code::CannotOpen) => {
            "the database file cannot be opened: give this process the right to read and write the file and its directory"
        }
        _ => return convert(operation, error),
    };
    Error::misconfigured(message).during(operation).caused_by(error)
}

/// The error of a port for one of the driver.
pub(crate) fn convert(operation: &'static str, error: Driver) -> Error {
    let converted = match code(&error) {
        Some(Code::Busy) => {
            Error::unavailable("another process holds the database's write lock for too long")
        }
        Some(Code::ReadOnly) => Error::unavailable(
            "the database cannot be written: give this process the right to write the file and its directory",
        ),
        Some(Code::Io) => Error::unavailable("the disk of the database failed"),
        Some(Code::Full) => Error::unavailable(
            "the disk of the database is full, or the database has reached its limit of size",
        ),
        Some(Code::CannotOpen) => Error::unavailable("the database file cannot be opened"),
        Some(Code::OutOfMemory) => Error::unavailable("there is no memory left for the database"),
        Some(Code::Corrupt) => {
            Error::unexpected("the database file is damaged: restore a backup").retry_as(Retry::Never)
        }
        Some(Code::NoDatabase) => Error::misconfigured("the file is no SQLite database: name another one"),
        Some(Code::Other) => Error::unexpected("the database refused a statement"),
        None => match &error {
            Driver::PoolTimedOut => Error::unavailable("every reader of the database is busy"),
            Driver::PoolClosed => closed(),
            Driver::WorkerCrashed => Error::unavailable("the connection to the database is gone"),
            _ => Error::unexpected("the database driver failed"),
        },
    };
    converted.during(operation).caused_by(error)
}
