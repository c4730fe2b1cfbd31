//! A persistence backend in this process: complete, bounded, gone with the process.
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;

use crate::{
    Error, Result,
    capability::{BackendInfo, Durability},
    ports::persistence::{
        AnalyticsStore, ApprovalStore, AuditStore, ConnectionStore, ConversationStore, DeliveryStore,
        ExecutionStore, PersistenceBackend, ScheduleStore, UserStore,
    },
};

mod analytics;
mod approvals;
mod audit;
mod connections;
mod conversations;
mod cursor;
mod deliveries;
mod executions;
mod schedules;
mod users;

/// How many rows one table holds when nobody says otherwise.
const DEFAULT_CAPACITY: usize = 10_000;

/// Keeps everything in memory.
///
/// Every table holds at most the store's capacity of rows. What happens to one row more:
/// - executions: the oldest finished one is forgotten with its log; when all are under way, `RateLimited`;
/// - deliveries: the oldest settled one is forgotten; when all are pending, `RateLimited`;
/// - approvals: the oldest settled one is forgotten; when all are pending, `RateLimited`;
/// - conversations: the one that grew longest ago is forgotten;
/// - audit records: the oldest is forgotten;
/// - processes: the one whose announced time is up first is forgotten;
/// - schedules, users, settings and connections: `RateLimited`.
///
/// One run log and one conversation hold at most the capacity of entries; more is `TooLarge`.
#[derive(Debug)]
pub struct InProcessStore {
    closed: Arc<AtomicBool>,
    executions: executions::Executions,
    approvals: Arc<Table<approvals::Rows>>,
    conversations: Arc<Table<conversations::Rows>>,
    schedules: Table<schedules::Rows>,
    users: Table<users::Rows>,
    deliveries: Table<deliveries::Rows>,
    connections: Table<connections::Rows>,
    audit: Table<audit::Rows>,
}

impl InProcessStore {
    /// A store whose tables hold at most `rows` rows each, at least one.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let closed = Arc::new(AtomicBool::new(false));
        let capacity = rows.max(1);
        let conversations = Arc::new(Table::new(&closed, capacity));
        let approvals = Arc::new(Table::new(&closed, capacity));
        Self {
            executions: executions::Executions {
                table: Table::new(&closed, capacity),
                conversations: conversations.clone(),
                approvals: approvals.clone(),
            },
            approvals,
            conversations,
            schedules: Table::new(&closed, capacity),
            users: Table::new(&closed, capacity),
            deliveries: Table::new(&closed, capacity),
            connections: Table::new(&closed, capacity),
            audit: Table::new(&closed, capacity),
            closed,
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }
}

impl Default for InProcessStore {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

#[async_trait]
impl PersistenceBackend for InProcessStore {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("in-process", "memory", Durability::Process)
    }

    async fn prepare(&self) -> Result<()> {
        self.check_open()
    }

    async fn ping(&self) -> Result<()> {
        self.check_open()
    }

    async fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }

    fn executions(&self) -> &dyn ExecutionStore {
        &self.executions
    }

    fn approvals(&self) -> &dyn ApprovalStore {
        &*self.approvals
    }

    fn conversations(&self) -> &dyn ConversationStore {
        &*self.conversations
    }

    fn schedules(&self) -> &dyn ScheduleStore {
        &self.schedules
    }

    fn users(&self) -> &dyn UserStore {
        &self.users
    }

    fn deliveries(&self) -> &dyn DeliveryStore {
        &self.deliveries
    }

    fn connections(&self) -> &dyn ConnectionStore {
        &self.connections
    }

    fn audit(&self) -> &dyn AuditStore {
        &self.audit
    }

    fn analytics(&self) -> Option<&dyn AnalyticsStore> {
        Some(&self.executions)
    }
}

/// The rows of one store behind a lock that is held for one method and never across an await. One method takes several
/// locks: the change of an execution's state, whose own comes first.
#[derive(Debug)]
struct Table<T> {
    rows: Mutex<T>,
    capacity: usize,
    closed: Arc<AtomicBool>,
}

impl<T: Default> Table<T> {
    fn new(closed: &Arc<AtomicBool>, capacity: usize) -> Self {
        Self { rows: Mutex::new(T::default()), capacity, closed: closed.clone() }
    }
}

impl<T> Table<T> {
    /// The rows; `Unavailable` after the store was closed. No method leaves rows half changed, so a lock that a panic
    /// poisoned is still good.
    fn rows(&self) -> Result<MutexGuard<'_, T>> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        Ok(rows)
    }

    /// `RateLimited` when `held` rows leave no room for another.
    fn check_room(&self, held: usize, what: &'static str) -> Result<()> {
        if held < self.capacity {
            return Ok(());
        }
        Err(Error::rate_limited("the in-process store is full").with("of", what).with("limit", self.capacity))
    }

    /// `TooLarge` when one row would hold more than `held` entries.
    fn check_length(&self, held: usize, what: &'static str) -> Result<()> {
        if held <= self.capacity {
            return Ok(());
        }
        Err(Error::too_large("over what the in-process store keeps of one thing")
            .with("of", what)
            .with("limit in entries", self.capacity))
    }
}

fn closed() -> Error {
    Error::unavailable("the store is closed")
}

#[cfg(test)]
mod tests;
