//! Tool calls that wait for a person. They come and go with the executions; here they are read and decided.
use agent_gateway_core::{
    Result, Timestamp,
    approval::{Approval, ApprovalQuery, Decided, Decision},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    ports::persistence::{ApprovalStore, PersistenceBackend},
    principal::Visibility,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Decide { id: ApprovalId, decision: Decision },
    Expire { now: Timestamp, limit: u32 },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn ApprovalStore) -> Result<()> {
        match self {
            Self::Decide { id, decision } => to.decide(id, decision).await.map(drop),
            Self::Expire { now, limit } => to.expire(*now, *limit).await.map(drop),
        }
    }
}

#[async_trait]
impl ApprovalStore for Shared {
    async fn get(&self, id: &ApprovalId, who: &Visibility) -> Result<Option<Approval>> {
        self.begin().await?.memory().approvals().get(id, who).await
    }

    async fn list(
        &self,
        query: &ApprovalQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Approval>> {
        self.begin().await?.memory().approvals().list(query, who, page).await
    }

    async fn of_execution(&self, id: &ExecutionId) -> Result<Vec<Approval>> {
        self.begin().await?.memory().approvals().of_execution(id).await
    }

    async fn decide(&self, id: &ApprovalId, decision: &Decision) -> Result<Decided> {
        let turn = self.begin().await?;
        let decided = turn.memory().approvals().decide(id, decision).await?;
        if let Decided::Stored(_) = decided {
            turn.append(Change::Decide { id: id.clone(), decision: decision.clone() }).await?;
        }
        Ok(decided)
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>> {
        let turn = self.begin().await?;
        let expired = turn.memory().approvals().expire(now, limit).await?;
        if !expired.is_empty() {
            turn.append(Change::Expire { now, limit }).await?;
        }
        Ok(expired)
    }
}
