use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    JsonMap, Result, Timestamp,
    id::UserId,
    page::{Page, PageRequest},
};

/// Who changed what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// What happened, such as `mcp_server.created`.
    pub event_type: String,
    /// Who did it; `None` when nobody is identified.
    pub actor: Option<UserId>,
    /// What kind of thing changed.
    pub resource_type: String,
    /// Which one.
    pub resource_id: String,
    /// More about it; never a secret.
    pub metadata: JsonMap,
    /// Where the request came from.
    pub ip_address: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The audit log. Records are only ever added.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds a record.
    async fn append(&self, record: &AuditRecord) -> Result<()>;

    /// Records, newest first.
    async fn list(&self, page: PageRequest) -> Result<Page<AuditRecord>>;
}
