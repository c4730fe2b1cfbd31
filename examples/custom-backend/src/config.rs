//! From `gateway.yaml` to the two backends. Nothing is guessed: what is missing is `Misconfigured`.
use std::{path::PathBuf, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    config::GatewayConfig,
    ports::{persistence::PersistenceBackend, queue::ExecutionQueue},
};
use futures::future::BoxFuture;
use serde::Deserialize;

use crate::{JournalStore, SpoolQueue};

/// Opens the journal that `persistence.url` names: `journal:` and the path of a file. A relative path begins where the
/// gateway is started.
///
/// It is what `Catalog::with_persistence` takes.
pub fn open_journal(config: GatewayConfig) -> BoxFuture<'static, Result<Arc<dyn PersistenceBackend>>> {
    Box::pin(async move {
        // What is no journal's URL may hold a password, so it is not shown.
        let path = config.persistence.url.expose().strip_prefix("journal:").unwrap_or_default();
        if path.is_empty() {
            return Err(Error::misconfigured("persistence.url must be `journal:` and the path of a file")
                .during("journal.open"));
        }
        Ok(Arc::new(JournalStore::open(path).await?) as Arc<dyn PersistenceBackend>)
    })
}

/// The settings of the spool. The section `queue` has no place for them, so they stand under `context`, which is the
/// application's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpoolConfig {
    /// The directory. A relative path begins where the gateway is started.
    path: PathBuf,
}

/// Opens the spool that `context.spool` describes: `path`, a directory.
///
/// It is what `Catalog::with_queue` takes.
pub fn open_spool(mut config: GatewayConfig) -> BoxFuture<'static, Result<Arc<dyn ExecutionQueue>>> {
    Box::pin(async move {
        let settings = config.context.remove("spool").unwrap_or_default();
        let spool: SpoolConfig = serde_json::from_value(settings).map_err(|error| {
            Error::misconfigured("context.spool must hold `path`, a directory, and nothing else")
                .during("spool.open")
                .caused_by(error)
        })?;
        Ok(Arc::new(SpoolQueue::open(spool.path).await?) as Arc<dyn ExecutionQueue>)
    })
}
