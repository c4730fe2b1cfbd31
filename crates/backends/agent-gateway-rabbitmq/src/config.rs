//! Where the broker is and what the queue is called.
use std::fmt;

use agent_gateway_core::{Error, Result};
use lapin::uri::{AMQPScheme, AMQPUri};

/// The queue's name when nobody says otherwise.
const DEFAULT_QUEUE: &str = "ag.executions";
/// How many jobs a process may hold when nobody says otherwise.
const DEFAULT_PREFETCH: u16 = 256;
/// The most that a quorum queue lets one consumer hold.
const MAX_PREFETCH: u16 = 2000;
/// Names on the broker have at most 255 bytes; ours add a few to the queue's.
const MAX_NAME: usize = 200;
/// How often each side tells the other that it lives, in seconds.
const HEARTBEAT: u16 = 10;
/// How long a connection may take to come about, in milliseconds.
const CONNECT_TIMEOUT: u64 = 5_000;

/// How to reach the broker. Its `Debug` shows no credential.
#[derive(Clone, PartialEq, Eq)]
pub struct RabbitMqConfig {
    pub(crate) uri: AMQPUri,
    pub(crate) queue_name: String,
    pub(crate) prefetch: u16,
}

impl RabbitMqConfig {
    /// Reads a URL: `amqp://user:password@host:5672/vhost`, or `amqps://` for TLS.
    ///
    /// - The user and password are `guest` when there are none, the port is 5672 (TLS: 5671), the virtual host `/`.
    /// - Special characters are percent-encoded: the virtual host `/` is `%2f`, and nothing after the host means the same.
    /// - `?heartbeat=`(seconds, default 10, not 0), `connection_timeout=`(milliseconds, default 5000), `channel_max=`,
    ///   `frame_max=` and `auth_mechanism=` may follow.
    ///
    /// Anything else is `Misconfigured`.
    pub fn parse(url: &str) -> Result<Self> {
        if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
            return Err(wrong("not the URL of a RabbitMQ server: it begins with `amqp://` or `amqps://`"));
        }
        // The parser's own message may hold the whole URL, and with it the password.
        let mut uri: AMQPUri = url.parse().map_err(|_| {
            wrong("the URL of the RabbitMQ server cannot be read: percent-encode special characters")
        })?;
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.starts_with('[') {
            return Err(wrong("the URL of the RabbitMQ server has an IPv6 address: give it a host name"));
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(wrong("the URL of the RabbitMQ server names no host"));
        }
        if uri.vhost.is_empty() {
            uri.vhost.push('/');
        }
        if uri.query.heartbeat == Some(0) {
            return Err(wrong("heartbeats cannot be off: without them a dead process keeps its jobs"));
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT);
        Ok(Self { uri, queue_name: DEFAULT_QUEUE.to_owned(), prefetch: DEFAULT_PREFETCH })
    }

    /// The queue's name, by default `ag.executions`: 1 to 200 bytes without control characters, not beginning with `amq.`,
    /// which opening checks. Everything else on the broker is named after it.
    #[must_use]
    pub fn queue_name(mut self, name: impl Into<String>) -> Self {
        self.queue_name = name.into();
        self
    }

    /// The most jobs that this process holds at once, leased or on their way to somebody who waits: 1 to 2000, by default
    /// 256. It never holds more than its workers ask for.
    #[must_use]
    pub fn prefetch(mut self, jobs: u16) -> Self {
        self.prefetch = jobs.clamp(1, MAX_PREFETCH);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let name = &self.queue_name;
        let fine = !name.is_empty()
            && name.len() <= MAX_NAME
            && !name.starts_with("amq.")
            && !name.chars().any(char::is_control);
        if fine {
            return Ok(());
        }
        let shown: String = name.chars().take(80).collect();
        Err(wrong("not the name of a queue: 1 to 200 bytes on one line, not beginning with `amq.`")
            .with("queue_name", shown))
    }

    /// Where the broker is, without user and password.
    pub(crate) fn place(&self) -> String {
        let scheme = match self.uri.scheme {
            AMQPScheme::AMQP => "amqp",
            AMQPScheme::AMQPS => "amqps",
        };
        let (authority, vhost) = (&self.uri.authority, &self.uri.vhost);
        let slash = if vhost.starts_with('/') { "" } else { "/" };
        format!("{scheme}://{}:{}{slash}{vhost}", authority.host, authority.port)
    }
}

impl fmt::Debug for RabbitMqConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMqConfig")
            .field("place", &self.place())
            .field("queue_name", &self.queue_name)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}

fn wrong(message: &'static str) -> Error {
    Error::misconfigured(message).during("rabbitmq.config")
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::ErrorKind;

    use super::*;

    #[test]
    fn urls_name_a_place() {
        for (url, place) in [
            ("amqp://localhost", "amqp://localhost:5672/"),
            ("amqp://localhost/", "amqp://localhost:5672/"),
            ("amqp://localhost/%2f", "amqp://localhost:5672/"),
            ("amqp://u:p@10.0.0.1:5673/prod", "amqp://10.0.0.1:5673/prod"),
            ("amqp://u:p%40ss@rabbit/a%2fb", "amqp://rabbit:5672/a/b"),
            ("amqps://u:p@rabbit/prod?heartbeat=5", "amqps://rabbit:5671/prod"),
        ] {
            assert_eq!(RabbitMqConfig::parse(url).unwrap().place(), place, "{url}");
        }
        let config = RabbitMqConfig::parse("amqp://rabbit?heartbeat=5").unwrap();
        assert_eq!(config.uri.query.heartbeat, Some(5));
        assert_eq!(RabbitMqConfig::parse("amqp://rabbit").unwrap().uri.query.heartbeat, Some(HEARTBEAT));
    }

    #[test]
    fn anything_else_is_refused_without_its_password() {
        for bad in [
            "",
            "redis://u:s3cret@localhost",
            "amqp:u:s3cret@localhost",
            "amqp://u:s3cret@local host/",
            "amqp://u:s3cret@[::1]/",
            "amqp://u:s3cret@:5672/",
            "amqp://u:s3cret@rabbit:99999/",
            "amqp://u:s3cret@rabbit/?heartbeat=0",
            "amqp://u:s3cret@rabbit/?heartbeat=often",
        ] {
            let error = RabbitMqConfig::parse(bad).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{bad}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn a_config_shows_no_credential() {
        let config = RabbitMqConfig::parse("amqp://somebody:s3cret@rabbit/prod").unwrap();
        let shown = format!("{config:?} {}", config.place());
        assert!(!shown.contains("s3cret") && !shown.contains("somebody"), "{shown}");
    }

    #[test]
    fn names_are_checked() {
        let config = RabbitMqConfig::parse("amqp://rabbit").unwrap();
        assert!(config.clone().queue_name("my jobs").check().is_ok());
        for bad in ["", "amq.jobs", "two\nlines", &"x".repeat(201)] {
            let error = config.clone().queue_name(bad).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misconfigured, "{bad}");
        }
    }
}
