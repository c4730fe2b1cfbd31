use async_trait::async_trait;

use crate::{
    Result, Timestamp,
    execution::{
        Advanced, Cursor, Draft, DraftPiece, Execution, ExecutionQuery, Fence, LogEntry, Transition,
    },
    id::{ExecutionId, IdempotencyKey, InstanceId, UserId},
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
    /// - An unfinished execution in a conversation that has an unfinished one already is `Conflict`: the turns of a
    ///   conversation follow each other.
    async fn create(&self, execution: &Execution) -> Result<()>;

    /// The execution, `None` when there is none or `who` may not see it.
    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>>;

    /// The execution that exactly this owner created with this idempotency key; `None` is the owner of executions without one.
    /// An administrator's retry must not find another's execution, so this read takes no [`Visibility`].
    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>>;

    /// Frees the idempotency keys of executions accepted before `before`, except of delegated ones (those with a parent), which
    /// their parents find by them; answers how many there were.
    async fn forget_keys(&self, before: Timestamp) -> Result<u64>;

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
    /// - `Start` needs `Queued` or `Running` and a fence higher than the stored one; it sets `started_at` once, and
    ///   `instance`.
    /// - `Suspend` needs `Running` and a fence equal to the stored one; it sets the status and `options`, clears `instance`,
    ///   appends its entries, removes the draft and creates its approvals. What waits is nobody's orphan.
    /// - `Resume` needs `Suspended` and a fence equal to the stored one; it sets the status to `Queued`, and `instance`.
    /// - `Finish` needs a status that is not final and a fence equal to the stored one; pending approvals of the execution are
    ///   withdrawn; it sets status, `result`, `usage`,
    ///   `error` and `completed_at`, clears `instance`, appends its entries and removes the draft. What was said is added to
    ///   the execution's conversation, behind its last message; nothing where that conversation does not exist (any more).
    /// - Otherwise nothing changes and the answer is `Refused` with what is stored.
    /// - An unknown id is `NotFound`.
    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced>;

    /// Appends to the run log and answers the place behind the last entry.
    ///
    /// - Entries continue the log without a gap; a gap is `Conflict`.
    /// - An entry whose sequence number is already stored is skipped, so that a repeated append is harmless.
    /// - A fence other than the stored one, or a final status, is `Conflict`.
    /// - A new entry removes the draft.
    /// - An unknown id is `NotFound`.
    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor>;

    /// Adds a piece to the draft of the model turn under way, which stands behind the log's last entry.
    ///
    /// - Pieces of one turn come in order and without gaps; a piece that is stored already is skipped.
    /// - A piece behind another entry than the last is dropped: its turn is whole by now.
    /// - A fence other than the stored one, or a final status, is `Conflict`.
    /// - An unknown id is `NotFound`.
    async fn append_draft(&self, id: &ExecutionId, fence: Fence, piece: &DraftPiece) -> Result<()>;

    /// The turn under way as far as it is stored, `None` when nothing is.
    async fn draft(&self, id: &ExecutionId) -> Result<Option<Draft>>;

    /// Says that a process is alive until `until`.
    async fn announce(&self, instance: &InstanceId, until: Timestamp) -> Result<()>;

    /// The processes that said that they are alive, with the instants until which they said so, past ones included.
    async fn instances(&self) -> Result<Vec<(InstanceId, Timestamp)>>;

    /// Forgets a process: it has ended. Safe to repeat.
    async fn retire(&self, instance: &InstanceId) -> Result<()>;

    /// Lets the queue see to executions that `from` created and that still wait: they have no instance from now on. Those that
    /// have started, have ended or are another process's stay as they are. Safe to repeat.
    async fn hand_over(&self, ids: &[ExecutionId], from: &InstanceId) -> Result<()>;

    /// At most `limit` unfinished executions whose process is not alive at `now`, oldest first. Executions without an
    /// instance are a queue's, and never among them.
    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Execution>>;

    /// At most `limit` entries behind `after`, in order. An unknown id has no entries.
    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>>;
}
