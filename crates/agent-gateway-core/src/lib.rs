//! The contract of agent-gateway: the domain's values, the ports that backends implement, one error, and complete
//! in-process backends.
//!
//! It is **not** a place for SQL, HTTP, YAML or a driver's words; those live in the crates that implement a port.
//!
//! ```
//! use agent_gateway_core::{in_process::InProcessStore, ports::persistence::PersistenceBackend};
//!
//! let store = InProcessStore::default();
//! assert_eq!(store.info().name, "in-process");
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

// The domain, in reading order.
pub mod agent;
pub mod approval;
pub mod definitions;
pub mod diagnostic;
pub mod execution;
pub mod id;
pub mod message;
pub mod principal;
pub mod skill;
pub mod tool;

// What the operator sets.
pub mod config;
pub mod vars;

// Values that every port uses.
pub mod capability;
pub mod clock;
pub mod error;
pub mod page;
pub mod redaction;
pub mod schema;
pub mod secret;

// The ports, what of them a function can be, and backends that need no other process.
pub mod code_tool;
pub mod in_process;
pub mod ports;

pub use error::{Error, ErrorKind, Result, Retry};

/// A JSON object whose keys keep their order.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
/// An instant in UTC with microseconds.
pub type Timestamp = jiff::Timestamp;
