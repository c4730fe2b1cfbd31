//! Executions and their logs.
use agent_gateway_core::{
    Result, Timestamp,
    execution::{
        Advanced, Cursor, Draft, DraftPiece, Execution, ExecutionQuery, Fence, LogEntry, Transition,
    },
    id::{ExecutionId, IdempotencyKey, InstanceId, UserId},
    page::{Page, PageRequest},
    ports::persistence::{
        AnalyticsStore, CostGroup, CostRow, CostWindow, ExecutionStore, PersistenceBackend,
    },
    principal::Visibility,
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Create(Box<Execution>),
    ForgetKeys { before: Timestamp },
    Advance { id: ExecutionId, fence: Fence, change: Box<Transition> },
    Append { id: ExecutionId, fence: Fence, entries: Vec<LogEntry> },
    AppendDraft { id: ExecutionId, fence: Fence, piece: DraftPiece },
    Announce { instance: InstanceId, until: Timestamp },
    Retire { instance: InstanceId },
    HandOver { ids: Vec<ExecutionId>, from: InstanceId },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn ExecutionStore) -> Result<()> {
        match self {
            Self::Create(execution) => to.create(execution).await,
            Self::ForgetKeys { before } => to.forget_keys(*before).await.map(drop),
            Self::Advance { id, fence, change } => to.advance(id, *fence, change).await.map(drop),
            Self::Append { id, fence, entries } => to.append(id, *fence, entries).await.map(drop),
            Self::AppendDraft { id, fence, piece } => to.append_draft(id, *fence, piece).await,
            Self::Announce { instance, until } => to.announce(instance, *until).await,
            Self::Retire { instance } => to.retire(instance).await,
            Self::HandOver { ids, from } => to.hand_over(ids, from).await,
        }
    }
}

#[async_trait]
impl ExecutionStore for Shared {
    async fn create(&self, execution: &Execution) -> Result<()> {
        self.write(Change::Create(Box::new(execution.clone()))).await
    }

    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>> {
        self.begin().await?.memory().executions().get(id, who).await
    }

    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>> {
        self.begin().await?.memory().executions().find_by_key(key, owner).await
    }

    async fn forget_keys(&self, before: Timestamp) -> Result<u64> {
        let turn = self.begin().await?;
        let forgotten = turn.memory().executions().forget_keys(before).await?;
        if forgotten > 0 {
            turn.append(Change::ForgetKeys { before }).await?;
        }
        Ok(forgotten)
    }

    async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        self.begin().await?.memory().executions().list(query, who, page).await
    }

    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced> {
        let turn = self.begin().await?;
        let advanced = turn.memory().executions().advance(id, fence, change).await?;
        if advanced == Advanced::Applied {
            turn.append(Change::Advance { id: id.clone(), fence, change: Box::new(change.clone()) }).await?;
        }
        Ok(advanced)
    }

    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor> {
        let turn = self.begin().await?;
        let end = turn.memory().executions().append(id, fence, entries).await?;
        turn.append(Change::Append { id: id.clone(), fence, entries: entries.to_vec() }).await?;
        Ok(end)
    }

    async fn append_draft(&self, id: &ExecutionId, fence: Fence, piece: &DraftPiece) -> Result<()> {
        self.write(Change::AppendDraft { id: id.clone(), fence, piece: piece.clone() }).await
    }

    async fn draft(&self, id: &ExecutionId) -> Result<Option<Draft>> {
        self.begin().await?.memory().executions().draft(id).await
    }

    async fn announce(&self, instance: &InstanceId, until: Timestamp) -> Result<()> {
        self.write(Change::Announce { instance: instance.clone(), until }).await
    }

    async fn instances(&self) -> Result<Vec<(InstanceId, Timestamp)>> {
        self.begin().await?.memory().executions().instances().await
    }

    async fn retire(&self, instance: &InstanceId) -> Result<()> {
        self.write(Change::Retire { instance: instance.clone() }).await
    }

    async fn hand_over(&self, ids: &[ExecutionId], from: &InstanceId) -> Result<()> {
        self.write(Change::HandOver { ids: ids.to_vec(), from: from.clone() }).await
    }

    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Execution>> {
        self.begin().await?.memory().executions().orphans(now, limit).await
    }

    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>> {
        self.begin().await?.memory().executions().log(id, after, limit).await
    }
}

#[async_trait]
impl AnalyticsStore for Shared {
    async fn cost(&self, window: CostWindow, group: CostGroup, who: &Visibility) -> Result<Vec<CostRow>> {
        match self.begin().await?.memory().analytics() {
            Some(analytics) => analytics.cost(window, group, who).await,
            None => Err(agent_gateway_core::Error::unsupported("the memory sums nothing")),
        }
    }
}
