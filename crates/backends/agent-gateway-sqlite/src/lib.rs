//! Persistence in one SQLite file: WAL, one writer that commits many callers' writes at once, and a pool of readers.
//!
//! It is **not** for several machines: the file must lie on a local disk. Several processes of one machine may share it.
//!
//! ```no_run
//! # async fn open() -> agent_gateway_core::Result<()> {
//! use agent_gateway_core::ports::persistence::PersistenceBackend;
//! use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
//!
//! let store = SqliteBackend::open(SqliteConfig::parse("sqlite:gateway.db")?).await?;
//! store.prepare().await?;
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;

// Opening and making the schema.
mod backend;
mod connect;
mod prepare;

// Statements, rows, errors.
mod database;
mod error;
mod row;

// The connection that writes.
mod writer;

pub use backend::SqliteBackend;
pub use config::{Place, SqliteConfig, Synchronous};
