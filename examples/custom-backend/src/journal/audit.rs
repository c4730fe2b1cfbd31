//! The audit log.
use agent_gateway_core::{
    Result,
    page::{Page, PageRequest},
    ports::persistence::{AuditRecord, AuditStore, PersistenceBackend},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Append(AuditRecord),
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn AuditStore) -> Result<()> {
        match self {
            Self::Append(record) => to.append(record).await,
        }
    }
}

#[async_trait]
impl AuditStore for Shared {
    async fn append(&self, record: &AuditRecord) -> Result<()> {
        self.write(Change::Append(record.clone())).await
    }

    async fn list(&self, page: PageRequest) -> Result<Page<AuditRecord>> {
        self.begin().await?.memory().audit().list(page).await
    }
}
