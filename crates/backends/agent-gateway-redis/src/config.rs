//! Where the server is and what the keys are called.
use std::{fmt, num::NonZeroUsize};

use agent_gateway_core::{Error, Result};
use deadpool_redis::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};

/// The longest key or prefix, in bytes.
const MAX_NAME: usize = 512;

/// How to open a server.
///
/// Its `Debug` shows where the server is, never the user or the password.
#[derive(Clone)]
pub struct RedisConfig {
    pub(crate) connection: ConnectionInfo,
    pub(crate) location: String,
    pub(crate) stream_key: String,
    pub(crate) consumer_group: String,
    pub(crate) lock_prefix: String,
    pub(crate) rate_prefix: String,
    pub(crate) pool_size: NonZeroUsize,
    pub(crate) capacity: usize,
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("location", &self.location)
            .field("stream_key", &self.stream_key)
            .field("consumer_group", &self.consumer_group)
            .field("lock_prefix", &self.lock_prefix)
            .field("rate_prefix", &self.rate_prefix)
            .field("pool_size", &self.pool_size)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

impl RedisConfig {
    /// Reads `redis://[user][:password@]host[:port][/database]`, or `rediss://` for TLS.
    ///
    /// The defaults are the reference's names: the stream `ag:executions`, the group `ag-workers`, locks under
    /// `ag:sched-lock:`; rate limits are under `ag:rate:`. The pool has 4 connections, and the queue takes 100 000 unsettled
    /// jobs. Anything but such a URL is `Misconfigured`; the error does not repeat it, as it may hold a password.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        if !matches!(scheme, "redis" | "rediss") {
            return Err(wrong("not the URL of a Redis server: it begins with `redis://` or `rediss://`"));
        }
        if rest.contains(['?', '#']) {
            return Err(wrong(
                "the URL of a Redis server has no settings: write `?` and `#` of a password as `%3F` and `%23`",
            ));
        }
        // The driver's error is dropped: it may repeat parts of the URL.
        let connection = url.into_connection_info().map_err(|_| {
            wrong("not the URL of a Redis server: `redis://[user][:password@]host[:port][/database]` is")
        })?;
        let location = match connection.addr() {
            ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port} (TLS)"),
            _ => return Err(wrong("the URL of a Redis server names a host")),
        };
        let settings = connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
        let location = format!("{location}, database {}", settings.db());
        Ok(Self {
            connection: connection.set_redis_settings(settings),
            location,
            stream_key: "ag:executions".to_owned(),
            consumer_group: "ag-workers".to_owned(),
            lock_prefix: "ag:sched-lock:".to_owned(),
            rate_prefix: "ag:rate:".to_owned(),
            pool_size: const { NonZeroUsize::new(4).unwrap() },
            capacity: 100_000,
        })
    }

    /// The stream of the jobs. All other keys of the queue begin with `{<stream>}:`, so that they share its hash slot; a
    /// stream with a hash tag of its own gives them that. Opening refuses braces that are no hash tag.
    #[must_use]
    pub fn stream_key(mut self, key: impl Into<String>) -> Self {
        self.stream_key = key.into();
        self
    }

    /// The group of the workers. A stream has one: settled jobs are deleted from it.
    #[must_use]
    pub fn consumer_group(mut self, name: impl Into<String>) -> Self {
        self.consumer_group = name.into();
        self
    }

    /// What the keys of locks begin with.
    #[must_use]
    pub fn lock_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.lock_prefix = prefix.into();
        self
    }

    /// What the keys of rate limits begin with.
    #[must_use]
    pub fn rate_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.rate_prefix = prefix.into();
        self
    }

    /// How many connections are shared by all calls. Each carries many calls at the same time; a queue has two more, on
    /// which it waits.
    #[must_use]
    pub fn pool_size(mut self, connections: NonZeroUsize) -> Self {
        self.pool_size = connections;
        self
    }

    /// The most accepted and unsettled jobs; one more is `RateLimited`.
    #[must_use]
    pub fn capacity(mut self, jobs: NonZeroUsize) -> Self {
        self.capacity = jobs.get();
        self
    }

    /// Refuses names that cannot work.
    pub(crate) fn check(&self) -> Result<()> {
        let names = [
            ("stream_key", &self.stream_key),
            ("consumer_group", &self.consumer_group),
            ("lock_prefix", &self.lock_prefix),
            ("rate_prefix", &self.rate_prefix),
        ];
        for (what, name) in names {
            if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
                return Err(
                    wrong("a name in Redis has 1 to 512 bytes and no control characters").with("name", what)
                );
            }
        }
        hash_tag(&self.stream_key).map(drop)
    }
}

/// The hash tag of a key that has one; braces that are none are refused.
pub(crate) fn hash_tag(key: &str) -> Result<Option<&str>> {
    if !key.contains(['{', '}']) {
        return Ok(None);
    }
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    match tag {
        Some(tag) if !tag.is_empty() && key.matches(['{', '}']).count() == 2 => Ok(Some(tag)),
        _ => Err(wrong("braces in a stream's key are one hash tag, such as `{gateway}:executions`")
            .with("stream_key", key)),
    }
}

fn wrong(message: &'static str) -> Error {
    Error::misconfigured(message).during("redis.config")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_as_whom() {
        for (url, location, user, password, database) in [
            ("redis://localhost", "localhost:6379, database 0", None, None, 0),
            ("redis://localhost:6380/3", "localhost:6380, database 3", None, None, 3),
            ("redis://:s3cret@h/1", "h:6379, database 1", None, Some("s3cret"), 1),
            ("redis://gateway:p%40ss%23@h:1/0", "h:1, database 0", Some("gateway"), Some("p@ss#"), 0),
            ("rediss://u:p@h/2", "h:6379 (TLS), database 2", Some("u"), Some("p"), 2),
        ] {
            let config = RedisConfig::parse(url).unwrap();
            let settings = config.connection.redis_settings();
            assert_eq!(config.location, location, "{url}");
            assert_eq!((settings.username(), settings.password()), (user, password), "{url}");
            assert_eq!(settings.db(), database, "{url}");
            config.check().unwrap();
        }
    }

    #[test]
    fn anything_else_is_refused_without_being_repeated() {
        for bad in [
            "",
            "localhost:6379",
            "http://:s3cret@h",
            "redis+unix:///s3cret",
            "redis://:s3cret@h/zero",
            "redis://:s3cret@h:notaport",
            "redis://h/0?password=s3cret",
            "rediss://:s3cret@h#insecure",
        ] {
            let error = RedisConfig::parse(bad).unwrap_err();
            assert_eq!(error.kind(), agent_gateway_core::ErrorKind::Misconfigured, "{bad}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        let config = RedisConfig::parse("redis://operator:s3cret@h/1").unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("s3cret") && !shown.contains("operator"), "{shown}");
    }

    #[test]
    fn braces_are_one_hash_tag() {
        assert_eq!(hash_tag("ag:executions").unwrap(), None);
        assert_eq!(hash_tag("a:{b}:c").unwrap(), Some("b"));
        for bad in ["{}", "a{", "a}", "}a{", "{a}{b}", "{a{b}"] {
            assert!(hash_tag(bad).is_err(), "{bad}");
        }
    }
}
