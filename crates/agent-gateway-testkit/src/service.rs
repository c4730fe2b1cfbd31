//! Real servers for tests: where they are, and what a test says that has none.
use std::{net::SocketAddr, time::Duration};

use agent_gateway_core::{Error, Result};
use tokio::net::TcpStream;

/// What an absent server's error is marked with.
const ABSENT: &str = "testkit.service";
/// The value of a variable that says: there is none.
const NONE: &str = "none";
/// How long a server of this machine may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// A server that tests of a backend need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// PostgreSQL, with the right to make schemas.
    Postgres,
    /// Redis 6.2 or newer.
    Redis,
    /// RabbitMQ 3.8 or newer.
    RabbitMq,
}

impl Service {
    /// Its word in the skip log and in `AGW_REQUIRE`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// The variable that says where it is.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "AGW_TEST_POSTGRES_URL",
            Self::Redis => "AGW_TEST_REDIS_URL",
            Self::RabbitMq => "AGW_TEST_RABBITMQ_URL",
        }
    }

    /// Where it is when nobody says otherwise.
    #[must_use]
    pub fn default_url(self) -> &'static str {
        match self {
            Self::Postgres => "postgres://postgres@127.0.0.1:5432/postgres",
            Self::Redis => "redis://127.0.0.1:6379/0",
            Self::RabbitMq => "amqp://guest:guest@127.0.0.1:5672/%2f",
        }
    }

    fn default_address(self) -> SocketAddr {
        let port = match self {
            Self::Postgres => 5432,
            Self::Redis => 6379,
            Self::RabbitMq => 5672,
        };
        ([127, 0, 0, 1], port).into()
    }

    /// Its URL: that of the variable, or the default where something listens there. The value `none` says that there is
    /// none, whatever listens. Without a server it is an error which makes a case of a suite a skip; any other test asks
    /// [`needs_service!`](crate::needs_service).
    #[expect(
        clippy::disallowed_methods,
        reason = "where a test's servers are is a matter of the machine, not of the gateway"
    )]
    pub async fn url(self) -> Result<String> {
        match std::env::var(self.variable()).ok().filter(|url| !url.is_empty()) {
            Some(url) if url == NONE => return Err(absence(self, &format!("{} is {NONE}", self.variable()))),
            Some(url) => return Ok(url),
            None => {}
        }
        let connecting = TcpStream::connect(self.default_address());
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(_)) => Ok(self.default_url().to_owned()),
            _ => {
                let (variable, address) = (self.variable(), self.default_address());
                Err(absence(self, &format!("{variable} is not set and nothing listens at {address}")))
            }
        }
    }
}

/// The error that says that a service is not there.
pub(crate) fn absence(service: Service, why: &str) -> Error {
    Error::unsupported(format!("{}: {why}", service.word())).during(ABSENT)
}

/// Whether an error says that a service is not there.
#[must_use]
pub fn is_absent(error: &Error) -> bool {
    error.operation() == ABSENT
}

/// The service and the reason, when an error says that a service is not there.
pub(crate) fn absent(error: &Error) -> Option<(&'static str, String)> {
    let all = [Service::Postgres, Service::Redis, Service::RabbitMq];
    let (word, why) = error.message().split_once(": ").filter(|_| is_absent(error))?;
    let service = all.into_iter().find(|service| service.word() == word)?;
    Some((service.word(), why.to_owned()))
}

/// The URL of a service; ends the test as skipped when it is not there.
#[macro_export]
macro_rules! needs_service {
    ($service:expr, $test:expr) => {
        match $service.url().await {
            Ok(url) => url,
            Err(error) => return $crate::skip::skip($service.word(), $test, error.message()),
        }
    };
}
