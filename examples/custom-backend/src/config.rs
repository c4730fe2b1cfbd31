//! What `gateway.yaml` says of the two backends. Nothing is guessed: what is missing is `Misconfigured`.
//!
//! ```yaml
//! persistence:
//!   backend: journal
//!   url: journal:data/gateway.journal
//! queue:
//!   backend: spool
//!   queue_name: data/spool
//! ```
use std::path::PathBuf;

use agent_gateway_core::{
    Error, Result,
    config::{PersistenceConfig, QueueConfig},
};

/// The file of the journal: `persistence.url` without `journal:`. A relative path begins where the gateway is started.
pub fn journal(config: &PersistenceConfig) -> Result<PathBuf> {
    // The URL of another backend may hold a password, so it is not shown.
    match config.url.expose().strip_prefix("journal:") {
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => Err(Error::misconfigured("persistence.url must be `journal:` and the path of a file")
            .during("journal.configure")),
    }
}

/// The directory of the spool: `queue.queue_name`. A relative path begins where the gateway is started.
pub fn spool(config: &QueueConfig) -> Result<PathBuf> {
    match config.queue_name.as_str() {
        "" => Err(Error::misconfigured("queue.queue_name must be the path of a directory")
            .during("spool.configure")),
        path => Ok(path.into()),
    }
}
