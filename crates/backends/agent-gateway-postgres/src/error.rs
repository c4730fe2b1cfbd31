//! The one conversion from the driver's errors.
use agent_gateway_core::Error;
use agent_gateway_sql::closed;
use sqlx::Error as Driver;

/// What a failure is about. <https://www.postgresql.org/docs/current/errcodes-appendix.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The connection is gone, or there is none to be had: the server is away, starting or stopping.
    Lost,
    /// Every connection of the pool is busy, or none can be opened in time.
    Busy,
    /// Two transactions were in each other's way; one of them may try again.
    Race,
    /// The server takes no more connections.
    TooManyConnections,
    /// The server has no more memory or disk.
    Resources,
    /// A lock or a statement took longer than it may, says the server.
    Slow,
    /// The server says nothing.
    Silent,
    /// The server is a standby.
    ReadOnly,
    /// A right is missing.
    Forbidden,
    /// User or password are wrong, or the server lets nobody in from here.
    Credentials,
    /// There is no such database.
    NoDatabase,
    /// There is no such schema.
    NoSchema,
    /// There is no such table, view or column.
    NoTable,
    /// The encryption that was asked for is not possible.
    Encryption,
    /// The settings of the connection are wrong.
    Settings,
    /// What is there is no PostgreSQL server.
    Protocol,
    /// The pool was closed.
    Closed,
    /// Something else.
    Other,
}

/// What an error of the driver is about.
pub(crate) fn cause(error: &Driver) -> Cause {
    if let Some(code) = error.as_database_error().and_then(|error| error.code()) {
        return cause_of_code(&code);
    }
    match error {
        Driver::Io(_) | Driver::WorkerCrashed => Cause::Lost,
        Driver::PoolTimedOut => Cause::Busy,
        Driver::PoolClosed => Cause::Closed,
        Driver::Tls(_) => Cause::Encryption,
        Driver::Configuration(_) => Cause::Settings,
        Driver::Protocol(_) => Cause::Protocol,
        _ => Cause::Other,
    }
}

fn cause_of_code(code: &str) -> Cause {
    match code {
        "40001" | "40P01" => Cause::Race,
        "53300" => Cause::TooManyConnections,
        "57P01" | "57P02" | "57P03" | "57P05" => Cause::Lost,
        "55P03" | "57014" => Cause::Slow,
        "25006" => Cause::ReadOnly,
        "42501" => Cause::Forbidden,
        "28P01" | "28000" => Cause::Credentials,
        "3D000" => Cause::NoDatabase,
        "3F000" => Cause::NoSchema,
        "42P01" | "42703" => Cause::NoTable,
        code if code.starts_with("08") => Cause::Lost,
        code if code.starts_with("53") => Cause::Resources,
        _ => Cause::Other,
    }
}

/// The error of a port for one of the driver.
pub(crate) fn convert(operation: &'static str, error: Driver) -> Error {
    let converted = match cause(&error) {
        Cause::Lost => Error::unavailable("the database is away, or the connection to it is gone"),
        Cause::Busy => {
            Error::unavailable("no connection to the database came free in time, or none could be opened")
        }
        Cause::Race => Error::unavailable("another transaction was in the way: try again"),
        Cause::TooManyConnections => Error::unavailable(
            "the database takes no more connections: lower the pools or raise max_connections",
        ),
        Cause::Resources => Error::unavailable("the database has no memory or disk left"),
        Cause::Slow => Error::unavailable("the database took longer than it may"),
        Cause::Silent => return silent(operation),
        Cause::ReadOnly => {
            Error::unavailable("the database takes no writes: it is a standby, or set to read only")
        }
        Cause::Forbidden => {
            Error::misconfigured("the gateway's user lacks a right in the database: grant it")
        }
        Cause::Credentials => Error::misconfigured(
            "the database refuses the user: check user, password and the server's pg_hba.conf",
        ),
        Cause::NoDatabase => {
            Error::misconfigured("there is no such database: create it, or name another one")
        }
        Cause::NoSchema => {
            Error::misconfigured("there is no such schema: set `schema`, or the user's search_path")
        }
        Cause::NoTable => {
            Error::unexpected("a table or column of the gateway is not there: was the backend prepared?")
        }
        Cause::Encryption => Error::misconfigured(
            "the database cannot be reached with this encryption: check sslmode and certificates",
        ),
        Cause::Settings => Error::misconfigured("the settings of the connection are wrong"),
        Cause::Protocol => Error::unexpected("what answers there does not speak as PostgreSQL does"),
        Cause::Closed => closed(),
        Cause::Other if error.as_database_error().is_some() => {
            Error::unexpected("the database refused a statement")
        }
        Cause::Other => Error::unexpected("the database driver failed"),
    };
    converted.during(operation).caused_by(error)
}

/// What a wait answers that came to its end without the server.
pub(crate) fn silent(operation: &'static str) -> Error {
    Error::unavailable("the database did not answer in time").during(operation)
}
