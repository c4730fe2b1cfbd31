//! The servers that tests of backends need, as data. The testkit says the same to the tests.

use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub(crate) enum Service {
    Postgres,
    Redis,
    RabbitMq,
}

pub(crate) const ALL: &[Service] = &[Service::Postgres, Service::Redis, Service::RabbitMq];

impl Service {
    /// Its word in `AGW_REQUIRE`, the skip log and the state file.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// The variable that tells the tests where it is.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "AGW_TEST_POSTGRES_URL",
            Self::Redis => "AGW_TEST_REDIS_URL",
            Self::RabbitMq => "AGW_TEST_RABBITMQ_URL",
        }
    }

    /// Where the tests look when nobody says otherwise.
    pub(crate) fn default_url(self) -> &'static str {
        match self {
            Self::Postgres => "postgres://postgres@127.0.0.1:5432/postgres",
            Self::Redis => "redis://127.0.0.1:6379/0",
            Self::RabbitMq => "amqp://guest:guest@127.0.0.1:5672/%2f",
        }
    }

    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Postgres => 5432,
            Self::Redis => 6379,
            Self::RabbitMq => 5672,
        }
    }

    /// The Debian package that has it.
    pub(super) fn package(self) -> &'static str {
        match self {
            Self::Postgres => "postgresql",
            Self::Redis => "redis-server",
            Self::RabbitMq => "rabbitmq-server",
        }
    }

    /// How long a private one may take until it answers.
    pub(super) fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Postgres => 60,
            Self::Redis => 20,
            Self::RabbitMq => 180,
        })
    }

    /// What makes it end at once and in order. PostgreSQL would wait for its clients on a TERM.
    pub(super) fn farewell(self) -> Signal {
        match self {
            Self::Postgres => Signal::INT,
            Self::Redis | Self::RabbitMq => Signal::TERM,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_testkit_knows_the_same_servers() {
        let testkit = include_str!("../../../crates/agent-gateway-testkit/src/service.rs");
        for service in ALL {
            for text in [service.word(), service.variable(), service.default_url()] {
                assert!(testkit.contains(&format!("\"{text}\"")), "{text}");
            }
        }
    }
}
