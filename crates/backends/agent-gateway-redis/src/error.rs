//! The one conversion from the driver's errors.
use agent_gateway_core::Error;
use deadpool_redis::{
    PoolError,
    redis::{ErrorKind, RedisError, ServerErrorKind},
};

/// The error of a port for one of the driver.
pub(crate) fn convert(operation: &'static str, error: RedisError) -> Error {
    by_code(&error).unwrap_or_else(|| by_kind(&error)).during(operation).caused_by(error)
}

/// What the first word of the server's answer says. Inside a script it may stand further back.
fn by_code(error: &RedisError) -> Option<Error> {
    by_word(error.code()?).or_else(|| {
        // Before Redis 7 a script's error is wrapped: `ERR Error running script (..): @user_script: 1: OOM ..`.
        let detail = error.detail().filter(|detail| detail.contains("rror running script"))?;
        detail.split(|c: char| !c.is_ascii_uppercase()).find_map(by_word)
    })
}

fn by_word(word: &str) -> Option<Error> {
    Some(match word {
        "NOAUTH" | "WRONGPASS" => refused(),
        "NOPERM" => Error::misconfigured(
            "the Redis user may not do this: give it the commands and keys that the gateway needs",
        ),
        "WRONGTYPE" => Error::misconfigured(
            "a key of the gateway holds something else in Redis: use another key, prefix or database",
        ),
        "OOM" => Error::unavailable("the memory of Redis is full"),
        "MISCONF" => Error::unavailable("Redis cannot write to its disk and refuses changes"),
        "NOREPLICAS" => Error::unavailable("Redis has too few replicas and refuses changes"),
        "MOVED" | "ASK" | "CROSSSLOT" => Error::misconfigured(
            "the server is one of a Redis cluster of several, which is not supported: name a single server",
        ),
        _ => return None,
    })
}

fn by_kind(error: &RedisError) -> Error {
    match error.kind() {
        ErrorKind::AuthenticationFailed => refused(),
        ErrorKind::InvalidClientConfig => Error::misconfigured("the connection to Redis cannot be set up"),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => {
            Error::unavailable("Redis is still loading its data")
        }
        ErrorKind::Server(ServerErrorKind::ReadOnly) => {
            Error::unavailable("the Redis server is a replica that may not be written")
        }
        ErrorKind::Server(
            ServerErrorKind::MasterDown | ServerErrorKind::ClusterDown | ServerErrorKind::TryAgain,
        ) => Error::unavailable("Redis is not ready"),
        ErrorKind::Server(_) if says(error, "DB index is out of range") => {
            Error::misconfigured("Redis has no database of this number")
        }
        ErrorKind::Io if error.is_timeout() => Error::unavailable("Redis did not answer in time"),
        ErrorKind::Io => Error::unavailable("Redis cannot be reached"),
        _ => Error::unexpected("Redis refused a command"),
    }
}

fn refused() -> Error {
    Error::misconfigured("Redis refused the user or the password: correct those in its URL")
}

fn says(error: &RedisError, words: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(words))
}

/// Whether the connection must be replaced before anybody uses it again.
pub(crate) fn breaks_connection(error: &RedisError) -> bool {
    let is_replica = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    error.is_io_error() || error.is_unrecoverable_error() || is_replica
}

/// Whether the connection was gone, perhaps long before the call: on another one it may work at once.
pub(crate) fn is_gone(error: &RedisError) -> bool {
    error.is_connection_dropped() && !error.is_timeout()
}

/// The error of a port for one of the pool.
pub(crate) fn of_pool(operation: &'static str, error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => convert(operation, error),
        PoolError::Timeout(_) => {
            Error::unavailable("Redis did not accept a connection in time").during(operation).caused_by(error)
        }
        _ => Error::unavailable("there is no connection to Redis").during(operation).caused_by(error),
    }
}

/// The same failure for one more caller.
pub(crate) fn copy(error: &Error) -> Error {
    error.copy()
}

#[cfg(test)]
mod tests {
    use deadpool_redis::redis::make_extension_error;

    use super::*;

    #[test]
    fn errors_inside_a_script_are_known_by_their_word() {
        let wrapped = |words: &str| {
            let detail =
                format!("Error running script (call to f_1a): @user_script:9: @user_script: 9: {words}");
            convert("redis.test", make_extension_error("ERR".to_owned(), Some(detail)))
        };
        let full = wrapped("-OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(full.kind(), agent_gateway_core::ErrorKind::Unavailable, "{full:?}");
        let taken = wrapped("-WRONGTYPE Operation against a key holding the wrong kind of value");
        assert_eq!(taken.kind(), agent_gateway_core::ErrorKind::Misconfigured, "{taken:?}");
        let other = wrapped("attempt to index a nil value");
        assert_eq!(other.kind(), agent_gateway_core::ErrorKind::Unexpected, "{other:?}");
    }
}
