//! PostgreSQL for agent-gateway: every store, an execution queue and a lock on one pool.
//!
//! It is **not** a connection pooler's friend by default: behind one that changes the server's session between
//! transactions, set `statement-cache-capacity=0` in the URL, and give the queue a direct connection, because it listens.
//!
//! ```no_run
//! # async fn open() -> agent_gateway_core::Result<()> {
//! use agent_gateway_core::ports::{persistence::PersistenceBackend, queue::ExecutionQueue};
//! use agent_gateway_postgres::{Postgres, PostgresBackend, PostgresConfig, PostgresLock, PostgresQueue};
//!
//! let config = PostgresConfig::parse("postgresql://gateway@localhost/gateway")?.schema("agents");
//! let database = Postgres::open(config).await?;
//! let store = PostgresBackend::new(&database);
//! store.prepare().await?;
//! let queue = PostgresQueue::open(&database).await?;
//! queue.prepare().await?;
//! let lock = PostgresLock::new(&database);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;

// Opening and making the schema.
mod adopt;
mod connect;
mod error;
mod open;
mod prepare;

// Statements and rows.
mod database;
mod row;
mod text;
mod writer;

// The persistence.
mod backend;

// The queue and the lock.
mod lock;
mod queue;
mod statement;

pub use backend::PostgresBackend;
pub use config::PostgresConfig;
pub use lock::PostgresLock;
pub use open::Postgres;
pub use queue::PostgresQueue;
