//! Stores that break one rule each.
use std::{fmt, sync::Arc};

use agent_gateway_core::{
    Result, Timestamp,
    capability::BackendInfo,
    clock::to_micros,
    execution::{
        Advanced, Cursor, Draft, DraftPiece, Execution, ExecutionQuery, Fence, LogEntry, Transition,
    },
    id::{ExecutionId, IdempotencyKey, InstanceId, UserId},
    page::{Page, PageCursor, PageRequest},
    ports::persistence::{
        AnalyticsStore, ApprovalStore, AuditStore, ConnectionStore, ConversationStore, DeliveryStore,
        ExecutionStore, PersistenceBackend, ScheduleStore, UserStore,
    },
    principal::{Principal, Visibility},
};
use async_trait::async_trait;

/// A store of executions that tells every caller that its change was made.
/// Found by [`of_many_finishers_one_wins`](crate::persistence::transitions::of_many_finishers_one_wins).
#[derive(Debug)]
pub struct LosesTransitions;

/// One that lets any attempt end the run.
/// Found by [`a_finish_needs_the_stored_fence`](crate::persistence::transitions::a_finish_needs_the_stored_fence).
#[derive(Debug)]
pub struct IgnoresFences;

/// One that shows everybody everything.
/// Found by [`executions_of_others_are_hidden`](crate::persistence::ownership::executions_of_others_are_hidden).
#[derive(Debug)]
pub struct IgnoresVisibility;

/// One that drops the last of several log entries.
/// Found by [`entries_come_back_in_order`](crate::persistence::logs::entries_come_back_in_order).
#[derive(Debug)]
pub struct DropsLogEntries;

/// One whose cursors count rows.
/// Found by
/// [`rows_added_meanwhile_do_not_shift_pages`](crate::persistence::lists::rows_added_meanwhile_do_not_shift_pages).
#[derive(Debug)]
pub struct CountsRows;

/// One that keeps whole seconds.
/// Found by [`instants_keep_microseconds`](crate::persistence::values::instants_keep_microseconds).
#[derive(Debug)]
pub struct CutsInstants;

/// How a saboteur of executions differs; what it does not name is done right.
#[async_trait]
pub trait Sabotage: fmt::Debug + Send + Sync + 'static {
    /// What is stored of a new execution.
    fn stored(&self, execution: &Execution) -> Execution {
        execution.clone()
    }
    /// Who is said to be asking.
    fn asked_by(&self, who: &Visibility) -> Visibility {
        who.clone()
    }
    /// A new execution.
    async fn create(&self, inner: &dyn ExecutionStore, execution: &Execution) -> Result<()> {
        inner.create(&self.stored(execution)).await
    }
    /// A piece of a draft.
    async fn append_draft(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        piece: &DraftPiece,
    ) -> Result<()> {
        inner.append_draft(id, fence, piece).await
    }
    /// The instant for which orphans are looked for.
    fn orphans_at(&self, now: Timestamp) -> Timestamp {
        now
    }
    /// The instant before which keys are freed.
    fn keys_before(&self, before: Timestamp) -> Timestamp {
        before
    }
    /// Which entries are appended.
    fn appended<'e>(&self, entries: &'e [LogEntry]) -> &'e [LogEntry] {
        entries
    }
    /// A change of state.
    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        inner.advance(id, fence, change).await
    }
    /// A list.
    async fn list(
        &self,
        inner: &dyn ExecutionStore,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        inner.list(query, who, page).await
    }
}

#[async_trait]
impl Sabotage for LosesTransitions {
    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        inner.advance(id, fence, change).await.map(|_| Advanced::Applied)
    }
}

#[async_trait]
impl Sabotage for IgnoresFences {
    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        let stored = inner.get(id, &Principal::system().visibility()).await?;
        inner.advance(id, stored.map_or(fence, |execution| execution.fence), change).await
    }
}

impl Sabotage for IgnoresVisibility {
    fn asked_by(&self, _who: &Visibility) -> Visibility {
        Principal::system().visibility()
    }
}

impl Sabotage for DropsLogEntries {
    fn appended<'e>(&self, entries: &'e [LogEntry]) -> &'e [LogEntry] {
        match entries {
            [kept @ .., _] if !kept.is_empty() => kept,
            all => all,
        }
    }
}

#[async_trait]
impl Sabotage for CountsRows {
    async fn list(
        &self,
        inner: &dyn ExecutionStore,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        let shown: usize = page.after.as_ref().and_then(|cursor| cursor.0.parse().ok()).unwrap_or_default();
        let all = inner.list(query, who, PageRequest::first(500)).await?.items;
        let end = shown + page.limit() as usize;
        let next = (end < all.len()).then(|| PageCursor(end.to_string()));
        Ok(Page { items: all.into_iter().skip(shown).take(page.limit() as usize).collect(), next })
    }
}

impl Sabotage for CutsInstants {
    fn stored(&self, execution: &Execution) -> Execution {
        let mut execution = execution.clone();
        let second = Timestamp::from_second(execution.created_at.as_second());
        execution.created_at = to_micros(second.unwrap_or(execution.created_at));
        execution
    }
}

/// A backend that does as the inner one, but for its executions.
#[derive(Debug)]
pub struct Saboteur<S> {
    inner: Arc<dyn PersistenceBackend>,
    executions: Executions<S>,
}

#[derive(Debug)]
struct Executions<S> {
    inner: Arc<dyn PersistenceBackend>,
    sabotage: S,
}

impl<S: Sabotage> Saboteur<S> {
    /// Wraps a good backend.
    pub fn new(inner: Arc<dyn PersistenceBackend>, sabotage: S) -> Self {
        Self { executions: Executions { inner: inner.clone(), sabotage }, inner }
    }
}

#[async_trait]
impl<S: Sabotage> PersistenceBackend for Saboteur<S> {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }
    async fn prepare(&self) -> Result<()> {
        self.inner.prepare().await
    }
    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
    async fn close(&self) -> Result<()> {
        self.inner.close().await
    }
    fn executions(&self) -> &dyn ExecutionStore {
        &self.executions
    }
    fn approvals(&self) -> &dyn ApprovalStore {
        self.inner.approvals()
    }
    fn conversations(&self) -> &dyn ConversationStore {
        self.inner.conversations()
    }
    fn schedules(&self) -> &dyn ScheduleStore {
        self.inner.schedules()
    }
    fn users(&self) -> &dyn UserStore {
        self.inner.users()
    }
    fn deliveries(&self) -> &dyn DeliveryStore {
        self.inner.deliveries()
    }
    fn connections(&self) -> &dyn ConnectionStore {
        self.inner.connections()
    }
    fn audit(&self) -> &dyn AuditStore {
        self.inner.audit()
    }
    fn analytics(&self) -> Option<&dyn AnalyticsStore> {
        self.inner.analytics()
    }
}

#[async_trait]
impl<S: Sabotage> ExecutionStore for Executions<S> {
    async fn create(&self, execution: &Execution) -> Result<()> {
        self.sabotage.create(self.inner.executions(), execution).await
    }
    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>> {
        self.inner.executions().get(id, &self.sabotage.asked_by(who)).await
    }
    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>> {
        self.inner.executions().find_by_key(key, owner).await
    }
    async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        let who = self.sabotage.asked_by(who);
        self.sabotage.list(self.inner.executions(), query, &who, page).await
    }
    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced> {
        self.sabotage.advance(self.inner.executions(), id, fence, change).await
    }
    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor> {
        self.inner.executions().append(id, fence, self.sabotage.appended(entries)).await
    }
    async fn forget_keys(&self, before: Timestamp) -> Result<u64> {
        self.inner.executions().forget_keys(self.sabotage.keys_before(before)).await
    }
    async fn append_draft(&self, id: &ExecutionId, fence: Fence, piece: &DraftPiece) -> Result<()> {
        self.sabotage.append_draft(self.inner.executions(), id, fence, piece).await
    }
    async fn draft(&self, id: &ExecutionId) -> Result<Option<Draft>> {
        self.inner.executions().draft(id).await
    }
    async fn announce(&self, instance: &InstanceId, until: Timestamp) -> Result<()> {
        self.inner.executions().announce(instance, until).await
    }
    async fn instances(&self) -> Result<Vec<(InstanceId, Timestamp)>> {
        self.inner.executions().instances().await
    }
    async fn retire(&self, instance: &InstanceId) -> Result<()> {
        self.inner.executions().retire(instance).await
    }
    async fn hand_over(&self, ids: &[ExecutionId], from: &InstanceId) -> Result<()> {
        self.inner.executions().hand_over(ids, from).await
    }
    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Execution>> {
        self.inner.executions().orphans(self.sabotage.orphans_at(now), limit).await
    }
    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>> {
        self.inner.executions().log(id, after, limit).await
    }
}
