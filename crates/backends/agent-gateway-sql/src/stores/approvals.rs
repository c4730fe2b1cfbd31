use agent_gateway_core::{
    Error, Result, Timestamp,
    approval::{Approval, ApprovalQuery, Decided, Decision},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    ports::persistence::ApprovalStore,
    principal::Visibility,
};
use async_trait::async_trait;

use super::Stores;
use crate::Database;

fn unsupported() -> Error {
    Error::unsupported("this store keeps no approvals yet")
}

#[async_trait]
impl<D: Database> ApprovalStore for Stores<D> {
    async fn get(&self, _id: &ApprovalId, _who: &Visibility) -> Result<Option<Approval>> {
        Err(unsupported())
    }

    async fn list(
        &self,
        _query: &ApprovalQuery,
        _who: &Visibility,
        _page: PageRequest,
    ) -> Result<Page<Approval>> {
        Err(unsupported())
    }

    async fn of_execution(&self, _id: &ExecutionId) -> Result<Vec<Approval>> {
        Err(unsupported())
    }

    async fn decide(&self, _id: &ApprovalId, _decision: &Decision) -> Result<Decided> {
        Err(unsupported())
    }

    async fn expire(&self, _now: Timestamp, _limit: u32) -> Result<Vec<ExecutionId>> {
        Err(unsupported())
    }
}
