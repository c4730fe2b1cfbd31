use std::sync::Arc;

use agent_gateway_core::{Result, ports::persistence::PersistenceBackend};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;
use tempfile::TempDir;

async fn opened(config: SqliteConfig) -> Result<Arc<dyn PersistenceBackend>> {
    let store = SqliteBackend::open(config).await?;
    store.prepare().await?;
    Ok(Arc::new(store))
}

/// Files with this table prefix.
struct Files(&'static str);

impl Files {
    async fn open(&self, directory: &TempDir) -> Result<Arc<dyn PersistenceBackend>> {
        opened(SqliteConfig::file(directory.path().join("gateway.db")).table_prefix(self.0)).await
    }
}

#[async_trait]
impl Fixture<dyn PersistenceBackend> for Files {
    type Guard = TempDir;
    async fn fresh(&self) -> Result<(Arc<dyn PersistenceBackend>, TempDir)> {
        let directory = tempfile::tempdir().unwrap();
        Ok((self.open(&directory).await?, directory))
    }
    async fn reopen(&self, directory: &TempDir) -> Result<Option<Arc<dyn PersistenceBackend>>> {
        Ok(Some(self.open(directory).await?))
    }
}

struct Memory;

#[async_trait]
impl Fixture<dyn PersistenceBackend> for Memory {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn PersistenceBackend>, ())> {
        Ok((opened(SqliteConfig::memory()).await?, ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn PersistenceBackend>>> {
        Ok(None)
    }
}

mod file {
    agent_gateway_testkit::persistence_suite!(super::Files(""));
}

mod prefixed {
    agent_gateway_testkit::persistence_suite!(super::Files("gw_"));
}

mod memory {
    agent_gateway_testkit::persistence_suite!(super::Memory);
}
