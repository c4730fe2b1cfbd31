use async_trait::async_trait;

use crate::{
    Result,
    execution::{Advanced, Cursor, Execution, ExecutionQuery, Fence, LogEntry, Transition},
    id::{ExecutionId, IdempotencyKey, UserId},
    page::{Page, PageRequest},
    principal::Visibility,
};

/// Executions and their logs.
#[async_trait]
pub trait ExecutionStore: Send + Sync {
    /// Stores a new execution as it is given.
    ///
    /// - A taken id is `AlreadyExists`.
    /// - An idempotency key that the same owner already used is `AlreadyExists`; the stored execution is untouched.
    async fn create(&self, execution: &Execution) -> Result<()>;

    /// The execution, `None` when there is none or `who` may not see it.
    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>>;

    /// The execution that exactly this owner created with this idempotency key; `None` is the owner of executions without one.
    /// An administrator's retry must not find another's execution, so this read takes no [`Visibility`].
    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>>;

    /// Executions that fit every filter, newest first (by `created_at`, then by id).
    ///
    /// - Rows come without their logs.
    /// - A page starts exactly behind the last row of the page before, also when rows were added meanwhile.
    async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>>;

    /// Changes the state by compare-and-set, together with the log entries that the change carries.
    ///
    /// - `Start` needs a status that is not final and a fence higher than the stored one; it sets `started_at` once.
    /// - `Finish` needs a status that is not final and a fence equal to the stored one; it sets status, `result`, `usage`,
    ///   `error` and `completed_at`, and appends its entries.
    /// - Otherwise nothing changes and the answer is `Refused` with what is stored.
    /// - An unknown id is `NotFound`.
    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced>;

    /// Appends to the run log and answers the place behind the last entry.
    ///
    /// - Entries continue the log without a gap; a gap is `Conflict`.
    /// - An entry whose sequence number is already stored is skipped, so that a repeated append is harmless.
    /// - A fence other than the stored one, or a final status, is `Conflict`.
    /// - An unknown id is `NotFound`.
    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor>;

    /// At most `limit` entries behind `after`, in order. An unknown id has no entries.
    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>>;
}
