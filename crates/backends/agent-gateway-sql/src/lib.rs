//! What agent-gateway's SQL backends share: table names, schema and migrations, statements, and the mapping between rows
//! and the domain's values.
//!
//! It is **not** a driver: a backend crate implements [`Database`] over its own connections and gets the stores of
//! [`Stores`] for it; with a [`Driver`] for the connection that writes it gets the [`Writer`] and the [`Executions`] over
//! it. Texts use `$1` placeholders, which SQLite and PostgreSQL both read.

// Names and values.
mod names;
mod syntax;
mod time;
mod value;

// Reading rows, and lists of them.
mod columns;
mod cursor;
mod select;

// The schema.
pub mod schema;

// The stores, written once over a small port to the driver.
pub mod approvals;
mod database;
pub mod drafts;
pub mod executions;
pub mod log;
mod messages;
pub mod presence;
mod stores;

// Writing in groups.
mod writer;

pub use columns::{Columns, RowExt};
pub use database::{Database, Effect};
pub use messages::Said;
pub use names::Names;
pub use stores::{Executions, Grouped, Stores};
pub use syntax::Syntax;
pub use time::{parse_time, time_text};
pub use value::{Column, Kind, Statement, Value};
pub use writer::{Bulk, Change, Driver, Entry, Failure, Given, Reach, Recorded, Writer, closed};
