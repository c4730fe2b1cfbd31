//! Two backends that the gateway does not know: a store and a queue made of nothing but files.
//!
//! It is a thing to learn from and to copy, **not** one to put under load: every write waits for the disk, one after the
//! other, and the journal only grows. Read [`JournalStore`] first, then [`SpoolQueue`].

// The store: one file that only grows, and a memory that is made of it.
mod journal;

// The queue: a directory with one file for each job.
mod spool;

// How `gateway.yaml` chooses them.
mod config;

// What both need.
mod blocking;
mod error;

pub use config::{open_journal, open_spool};
pub use journal::JournalStore;
pub use spool::SpoolQueue;

/// The guide is compiled here, where everything that it names can be imported.
#[cfg(doctest)]
#[doc = include_str!("../../../crates/agent-gateway/src/guide/custom_backend.md")]
mod guide {}
