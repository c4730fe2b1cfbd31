use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    approval::{Approval, ApprovalQuery, Decided, Decision},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    principal::Visibility,
};

/// Tool calls that wait for a person. They are created by [`Transition::Suspend`](crate::execution::Transition), and the pending
/// ones of an execution are withdrawn by its `Finish`.
#[async_trait]
pub trait ApprovalStore: Send + Sync {
    /// The approval, `None` when there is none that `who` may see.
    async fn get(&self, id: &ApprovalId, who: &Visibility) -> Result<Option<Approval>>;

    /// Approvals that fit every filter, newest first (by `created_at`, then by id). A page starts exactly behind the last row
    /// of the page before, also when rows were added meanwhile.
    async fn list(
        &self,
        query: &ApprovalQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Approval>>;

    /// All approvals of one execution, in the order in which they were asked (by `created_at`, then by id).
    async fn of_execution(&self, id: &ExecutionId) -> Result<Vec<Approval>>;

    /// Stores a decision, if the approval is pending and `decision.at` lies before its `expires_at`: of several decisions the
    /// first one counts. Otherwise nothing changes and the answer is `TooLate`. An unknown id is `NotFound`.
    async fn decide(&self, id: &ApprovalId, decision: &Decision) -> Result<Decided>;

    /// Marks at most `limit` pending approvals as expired whose `expires_at` is not after `now`, the oldest first; answers
    /// their executions. Safe to repeat.
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>>;
}
