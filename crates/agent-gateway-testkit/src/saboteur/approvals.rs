//! Stores that break one rule of tool calls that wait for a person.
use std::sync::Arc;

use agent_gateway_core::{
    Result, Timestamp,
    approval::{Approval, ApprovalQuery, ApprovalStatus, Decided, Decision},
    execution::{Advanced, Fence, Transition},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    ports::persistence::{ApprovalStore, ExecutionStore, PersistenceBackend},
    principal::Visibility,
};
use async_trait::async_trait;

use super::Sabotage;

/// A store that tells everyone who decides that their decision counts.
/// Found by [`of_many_decisions_the_first_counts`](crate::persistence::approvals::of_many_decisions_the_first_counts).
#[derive(Debug)]
pub struct LosesDecisions;

/// One whose approvals stay pending when their execution has ended.
/// Found by [`the_end_withdraws_what_is_pending`](crate::persistence::suspension::the_end_withdraws_what_is_pending).
#[derive(Debug)]
pub struct KeepsAsking;

/// One that lets a run rest and forgets what it waits for.
/// Found by [`a_suspension_stores_everything`](crate::persistence::suspension::a_suspension_stores_everything).
#[derive(Debug)]
pub struct ForgetsToAsk;

#[async_trait]
impl Sabotage for LosesDecisions {
    async fn decide(
        &self,
        inner: &dyn ApprovalStore,
        id: &ApprovalId,
        decision: &Decision,
    ) -> Result<Decided> {
        Ok(match inner.decide(id, decision).await? {
            Decided::TooLate(mut stored) => {
                stored.status = decision.verdict.status();
                stored.decision = Some(decision.clone());
                Decided::Stored(stored)
            }
            stored => stored,
        })
    }
}

impl Sabotage for KeepsAsking {
    fn shown(&self, mut approval: Approval) -> Approval {
        if approval.status == ApprovalStatus::Withdrawn {
            approval.status = ApprovalStatus::Pending;
        }
        approval
    }
}

#[async_trait]
impl Sabotage for ForgetsToAsk {
    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        let mut change = change.clone();
        if let Transition::Suspend { approvals, .. } = &mut change {
            approvals.clear();
        }
        inner.advance(id, fence, &change).await
    }
}

/// The approvals of a backend, as a saboteur treats them.
#[derive(Debug)]
pub(super) struct Approvals<S> {
    pub(super) inner: Arc<dyn PersistenceBackend>,
    pub(super) sabotage: Arc<S>,
}

#[async_trait]
impl<S: Sabotage> ApprovalStore for Approvals<S> {
    async fn get(&self, id: &ApprovalId, who: &Visibility) -> Result<Option<Approval>> {
        let found = self.inner.approvals().get(id, &self.sabotage.asked_by(who)).await?;
        Ok(found.map(|approval| self.sabotage.shown(approval)))
    }
    async fn list(
        &self,
        query: &ApprovalQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Approval>> {
        let found = self.inner.approvals().list(query, &self.sabotage.asked_by(who), page).await?;
        let items = found.items.into_iter().map(|approval| self.sabotage.shown(approval)).collect();
        Ok(Page { items, next: found.next })
    }
    async fn of_execution(&self, id: &ExecutionId) -> Result<Vec<Approval>> {
        let found = self.inner.approvals().of_execution(id).await?;
        Ok(found.into_iter().map(|approval| self.sabotage.shown(approval)).collect())
    }
    async fn decide(&self, id: &ApprovalId, decision: &Decision) -> Result<Decided> {
        self.sabotage.decide(self.inner.approvals(), id, decision).await
    }
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>> {
        self.inner.approvals().expire(now, limit).await
    }
}
