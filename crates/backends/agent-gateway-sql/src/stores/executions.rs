//! Executions: writes become commands, whose rows are made here so that the writer only binds them.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result, Timestamp,
    execution::{
        Advanced, Cursor, Draft, DraftPiece, Execution, ExecutionQuery, Fence, LogEntry, Transition,
    },
    id::{ExecutionId, IdempotencyKey, InstanceId, UserId},
    page::{Page, PageRequest},
    ports::persistence::ExecutionStore,
    principal::Visibility,
};
use async_trait::async_trait;

use crate::{
    Change, Database, Entry, Recorded, Said, Value, Writer, approvals, drafts, executions, log, presence,
};

/// A database whose writes share transactions.
pub trait Grouped: Database {
    /// What writes.
    fn writer(&self) -> &Writer<Self::Row>;
}

/// The store of executions.
#[derive(Debug)]
pub struct Executions<D>(Arc<D>);

impl<D: Grouped> Executions<D> {
    /// The executions of this database.
    #[must_use]
    pub fn new(database: Arc<D>) -> Self {
        Self(database)
    }

    /// Adds to what is stored of an execution, which may not have moved on.
    async fn extend(&self, id: &ExecutionId, fence: Fence, change: Change) -> Result<Cursor> {
        match self.0.writer().record(id, fence, change).await? {
            Recorded::Unknown => Err(unknown(id)),
            Recorded::Refused { status, fence } => Err(Error::conflict("the execution has moved on")
                .with("execution", id)
                .with("status", status)
                .with("fence", fence.0)),
            Recorded::Applied(end) => Ok(end),
        }
    }
}

fn rows(id: &ExecutionId, entries: &[LogEntry]) -> Result<Vec<Entry>> {
    let row = |entry: &LogEntry| Ok(Entry { place: entry.sequence, row: log::entry_row(id, entry)? });
    entries.iter().map(row).collect()
}

fn unknown(id: &ExecutionId) -> Error {
    Error::not_found("no such execution").with("execution", id)
}

#[async_trait]
impl<D: Grouped> ExecutionStore for Executions<D> {
    async fn create(&self, execution: &Execution) -> Result<()> {
        let taken = executions::turn_of(execution).map(|_| executions::taken(self.0.names(), execution));
        self.0.writer().create(execution, executions::row(execution)?, taken).await
    }

    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>> {
        executions::get(&*self.0, id, who).await
    }

    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>> {
        executions::find_by_key(&*self.0, key, owner).await
    }

    async fn forget_keys(&self, before: Timestamp) -> Result<u64> {
        executions::forget_keys(&*self.0, before).await
    }

    async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        executions::list(&*self.0, query, who, &page).await
    }

    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced> {
        let change = match change {
            Transition::Start { fence, instance, at } => {
                let instance = Value::word(instance.as_ref());
                let row = vec![id.as_str().into(), Value::number(fence.0)?, instance, (*at).into()];
                Change::Start { fence: *fence, row }
            }
            Transition::Suspend { approvals, options, entries } => Change::Suspend {
                row: executions::suspend_row(id, options)?,
                entries: rows(id, entries)?,
                approvals: approvals.iter().map(approvals::row).collect::<Result<_>>()?,
            },
            Transition::Resume { instance } => {
                Change::Resume { row: vec![id.as_str().into(), Value::word(instance.as_ref())] }
            }
            Transition::Finish { outcome, entries, said, at } => Change::Finish {
                row: executions::finish_row(id, outcome, *at)?,
                entries: rows(id, entries)?,
                said: Said::new(id, said, *at)?,
            },
            _ => return Err(Error::unsupported("this store does not know that change of state")),
        };
        match self.0.writer().record(id, fence, change).await? {
            Recorded::Unknown => Err(unknown(id)),
            Recorded::Refused { status, fence } => Ok(Advanced::Refused { status, fence }),
            Recorded::Applied(_) => Ok(Advanced::Applied),
        }
    }

    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor> {
        self.extend(id, fence, Change::Append { entries: rows(id, entries)? }).await
    }

    async fn append_draft(&self, id: &ExecutionId, fence: Fence, piece: &DraftPiece) -> Result<()> {
        let change = Change::Draft { after: piece.after, row: drafts::piece_row(id, piece)? };
        self.extend(id, fence, change).await.map(drop)
    }

    async fn draft(&self, id: &ExecutionId) -> Result<Option<Draft>> {
        drafts::read(&*self.0, id).await
    }

    async fn announce(&self, instance: &InstanceId, until: Timestamp) -> Result<()> {
        presence::announce(&*self.0, instance, until).await
    }

    async fn instances(&self) -> Result<Vec<(InstanceId, Timestamp)>> {
        presence::instances(&*self.0).await
    }

    async fn retire(&self, instance: &InstanceId) -> Result<()> {
        presence::retire(&*self.0, instance).await
    }

    async fn hand_over(&self, ids: &[ExecutionId], from: &InstanceId) -> Result<()> {
        presence::hand_over(&*self.0, ids, from).await
    }

    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Execution>> {
        presence::orphans(&*self.0, now, limit).await
    }

    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>> {
        log::read(&*self.0, id, after, limit).await
    }
}
