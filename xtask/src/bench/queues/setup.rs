//! What is measured: a queue, a store, and the processes between them.

use std::fmt;
use std::path::Path;

use super::super::fixture::KEY;
use crate::services::Service;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Queue {
    Memory,
    Redis,
    RabbitMq,
    Postgres,
}

impl Queue {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::RabbitMq => "rabbitmq",
            Self::Postgres => "postgres",
        }
    }

    pub(super) fn service(self) -> Option<Service> {
        match self {
            Self::Memory => None,
            Self::Redis => Some(Service::Redis),
            Self::RabbitMq => Some(Service::RabbitMq),
            Self::Postgres => Some(Service::Postgres),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Store {
    Sqlite,
    Postgres,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layout {
    /// One process accepts and works.
    Whole,
    /// One accepts, another one works.
    Apart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setup {
    pub(super) queue: Queue,
    pub(super) store: Store,
    pub(super) layout: Layout,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let store = match self.store {
            Store::Sqlite => "sqlite",
            Store::Postgres => "postgres",
        };
        let layout = match self.layout {
            Layout::Whole => "",
            Layout::Apart => ", worker apart",
        };
        write!(f, "{} + {store}{layout}", self.queue.word())
    }
}

impl Setup {
    /// Every one that makes sense: a queue in Postgres belongs to the database of the store, and one in memory to its
    /// process.
    pub(super) fn all() -> Vec<Self> {
        let memory = Self { queue: Queue::Memory, store: Store::Sqlite, layout: Layout::Whole };
        let mut all = vec![memory];
        for queue in [Queue::Redis, Queue::RabbitMq, Queue::Postgres] {
            for store in [Store::Sqlite, Store::Postgres] {
                if (queue, store) != (Queue::Postgres, Store::Sqlite) {
                    all.extend([Layout::Whole, Layout::Apart].map(|layout| Self { queue, store, layout }));
                }
            }
        }
        all
    }

    pub(super) fn services(self) -> impl Iterator<Item = Service> {
        let store = (self.store == Store::Postgres).then_some(Service::Postgres);
        self.queue.service().into_iter().chain(store)
    }

    /// The target is for the store that is fastest on one machine, and for one process.
    pub(super) fn least_runs_per_s(self) -> Option<f64> {
        match (self.queue, self.store, self.layout) {
            (Queue::Redis | Queue::RabbitMq, Store::Sqlite, Layout::Whole) => Some(1000.0),
            (Queue::Postgres, _, Layout::Whole) => Some(600.0),
            _ => None,
        }
    }
}

/// Where one setup has everything.
#[derive(Debug)]
pub(super) struct Places<'a> {
    pub(super) sqlite: &'a Path,
    /// The database of this bench.
    pub(super) postgres: &'a str,
    /// The queue's server, if it has one.
    pub(super) broker: &'a str,
    pub(super) name: &'a str,
}

/// The `gateway.yaml` of a setup. What it does not set has its default.
pub(super) fn configuration(setup: Setup, workers: u32, places: &Places<'_>) -> String {
    let Places { sqlite, postgres, broker, name } = places;
    let store = match setup.store {
        Store::Sqlite => format!("  backend: sqlite\n  url: \"sqlite:{}\"", sqlite.display()),
        Store::Postgres => format!("  backend: postgres\n  url: \"{postgres}\""),
    };
    let queue = match setup.queue {
        Queue::Memory | Queue::Postgres => String::new(),
        Queue::Redis => format!("\n  redis_url: \"{broker}\"\n  stream_key: \"{name}:executions\""),
        Queue::RabbitMq => format!("\n  rabbitmq_url: \"{broker}\"\n  queue_name: \"{name}\""),
    };
    format!(
        r#"model:
  default: "openai/bench-model"
auth:
  api_keys:
    - name: bench
      key: "{KEY}"
      scopes: ["*"]
persistence:
{store}
queue:
  backend: {}
  workers: {workers}{queue}
tools:
  visibility: all
  allow_private_network: true
telemetry:
  exporter: none
guardrails:
  timeout_ms: 300000
"#,
        setup.queue.word()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_queue_is_measured_alone_and_with_its_worker_apart() {
        let all: Vec<String> = Setup::all().iter().map(Setup::to_string).collect();
        let expected = [
            "memory + sqlite",
            "redis + sqlite",
            "redis + sqlite, worker apart",
            "redis + postgres",
            "redis + postgres, worker apart",
            "rabbitmq + sqlite",
            "rabbitmq + sqlite, worker apart",
            "rabbitmq + postgres",
            "rabbitmq + postgres, worker apart",
            "postgres + postgres",
            "postgres + postgres, worker apart",
        ];
        assert_eq!(all, expected);
        assert_eq!(Setup::all().into_iter().filter(|setup| setup.least_runs_per_s().is_some()).count(), 3);
    }

    #[test]
    fn a_configuration_names_its_servers_and_no_others() {
        let places = Places {
            sqlite: Path::new("/bench.db"),
            postgres: "postgres://p/b",
            broker: "redis://r",
            name: "bench",
        };
        for setup in Setup::all() {
            let text = configuration(setup, 7, &places);
            assert!(text.contains(&format!("backend: {}\n  workers: 7", setup.queue.word())), "{text}");
            assert_eq!(text.contains("postgres://p/b"), setup.store == Store::Postgres, "{text}");
            assert_eq!(text.contains("sqlite:/bench.db"), setup.store == Store::Sqlite, "{text}");
            assert_eq!(
                text.contains("redis://r"),
                matches!(setup.queue, Queue::Redis | Queue::RabbitMq),
                "{text}"
            );
        }
    }
}
