//! Executions and their logs.
use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
};

use async_trait::async_trait;

use super::{
    Table,
    cursor::{self, TimeKey},
};
use crate::{
    Error, Result,
    execution::{
        Advanced, Cursor, Execution, ExecutionQuery, ExecutionStatus, Fence, LogEntry, Outcome, Transition,
    },
    id::{ExecutionId, IdempotencyKey, UserId},
    page::{Page, PageRequest},
    ports::persistence::ExecutionStore,
    principal::Visibility,
};

const LIST: &str = "executions";

#[derive(Debug, Default)]
pub(super) struct Rows {
    stored: HashMap<ExecutionId, Stored>,
    by_time: BTreeSet<TimeKey>,
    finished: BTreeSet<TimeKey>,
    by_key: HashMap<(Option<UserId>, IdempotencyKey), ExecutionId>,
}

#[derive(Debug)]
struct Stored {
    execution: Execution,
    log: Vec<LogEntry>,
}

fn time_key(execution: &Execution) -> TimeKey {
    (execution.created_at, execution.id.to_string())
}

fn owned_key(execution: &Execution) -> Option<(Option<UserId>, IdempotencyKey)> {
    Some((execution.user_id.clone(), execution.idempotency_key.clone()?))
}

impl Rows {
    pub(super) fn all(&self) -> impl Iterator<Item = &Execution> {
        self.stored.values().map(|stored| &stored.execution)
    }

    fn known(&mut self, id: &ExecutionId) -> Result<&mut Stored> {
        self.stored.get_mut(id).ok_or_else(|| Error::not_found("no such execution").with("execution", id))
    }

    fn forget_oldest_finished(&mut self) {
        let Some(oldest) = self.finished.pop_first() else { return };
        self.by_time.remove(&oldest);
        let Some(stored) = self.stored.remove(oldest.1.as_str()) else { return };
        if let Some(key) = owned_key(&stored.execution) {
            self.by_key.remove(&key);
        }
    }

    fn finish(
        &mut self,
        id: &ExecutionId,
        fresh: &[LogEntry],
        outcome: &Outcome,
        at: crate::Timestamp,
    ) -> Result<()> {
        let result = serde_json::to_value(outcome)
            .map_err(|error| Error::unexpected("an outcome is no JSON").caused_by(error))?;
        let stored = self.known(id)?;
        stored.log.extend_from_slice(fresh);
        let execution = &mut stored.execution;
        execution.status = outcome.stop_reason.status();
        execution.result = Some(result);
        execution.usage = Some(outcome.usage.clone());
        execution.error.clone_from(&outcome.error);
        execution.completed_at = Some(at);
        let key = time_key(execution);
        self.finished.insert(key);
        Ok(())
    }
}

/// The entries that are not stored yet; `Conflict` when they do not continue the log.
fn fresh<'a>(log: &[LogEntry], entries: &'a [LogEntry]) -> Result<&'a [LogEntry]> {
    let end = Cursor(log.len() as u64);
    Ok(&entries[end.already_stored(entries.iter().map(|entry| entry.sequence))?..])
}

fn fits(query: &ExecutionQuery, execution: &Execution) -> bool {
    fn same<T: PartialEq>(wanted: Option<&T>, found: Option<&T>) -> bool {
        wanted.is_none() || wanted == found
    }
    same(query.agent_id.as_ref(), Some(&execution.agent_id))
        && same(query.session_id.as_ref(), execution.session_id.as_ref())
        && same(query.root_execution_id.as_ref(), execution.root_execution_id.as_ref())
        && same(query.schedule_id.as_ref(), execution.schedule_id.as_ref())
        && same(query.status.as_ref(), Some(&execution.status))
        && query.since.is_none_or(|since| execution.created_at >= since)
        && query.until.is_none_or(|until| execution.created_at <= until)
}

#[async_trait]
impl ExecutionStore for Table<Rows> {
    async fn create(&self, execution: &Execution) -> Result<()> {
        let mut rows = self.rows()?;
        if rows.stored.contains_key(&execution.id) {
            return Err(Error::already_exists("the execution id is taken").with("execution", &execution.id));
        }
        let key = owned_key(execution);
        if let Some(earlier) = key.as_ref().and_then(|key| rows.by_key.get(key)) {
            return Err(Error::already_exists("the idempotency key is taken").with("execution", earlier));
        }
        if rows.stored.len() >= self.capacity {
            rows.forget_oldest_finished();
        }
        self.check_room(rows.stored.len(), "executions under way")?;
        if let Some(key) = key {
            rows.by_key.insert(key, execution.id.clone());
        }
        rows.by_time.insert(time_key(execution));
        if execution.status.is_final() {
            rows.finished.insert(time_key(execution));
        }
        rows.stored.insert(execution.id.clone(), Stored { execution: execution.clone(), log: Vec::new() });
        Ok(())
    }

    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>> {
        let rows = self.rows()?;
        let found = rows.stored.get(id).map(|stored| &stored.execution);
        Ok(found.filter(|execution| who.allows(execution.user_id.as_ref())).cloned())
    }

    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>> {
        let rows = self.rows()?;
        let found = rows.by_key.get(&(owner.cloned(), key.clone()));
        Ok(found.and_then(|id| rows.stored.get(id)).map(|stored| stored.execution.clone()))
    }

    async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        let rows = self.rows()?;
        let end = match &page.after {
            Some(after) => Bound::Excluded(cursor::read(LIST, after)?),
            None => Bound::Unbounded,
        };
        let newest_first = rows.by_time.range((Bound::Unbounded, end)).rev();
        let found: Vec<Execution> = newest_first
            .filter_map(|(_, id)| rows.stored.get(id.as_str()))
            .map(|stored| &stored.execution)
            .filter(|execution| who.allows(execution.user_id.as_ref()) && fits(query, execution))
            .take(page.limit() as usize + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, &time_key(last))))
    }

    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced> {
        let mut rows = self.rows()?;
        let stored = rows.known(id)?;
        let (status, held) = (stored.execution.status, stored.execution.fence);
        let refused = Advanced::Refused { status, fence: held };
        match change {
            Transition::Start { fence: new, .. } if status.is_final() || *new <= held => Ok(refused),
            Transition::Start { fence: new, at } => {
                stored.execution.status = ExecutionStatus::Running;
                stored.execution.fence = *new;
                stored.execution.started_at.get_or_insert(*at);
                Ok(Advanced::Applied)
            }
            Transition::Finish { .. } if status.is_final() || fence != held => Ok(refused),
            Transition::Finish { outcome, entries, at } => {
                let fresh = fresh(&stored.log, entries)?;
                self.check_length(stored.log.len() + fresh.len(), "log entries")?;
                rows.finish(id, fresh, outcome, *at)?;
                Ok(Advanced::Applied)
            }
        }
    }

    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor> {
        let mut rows = self.rows()?;
        let stored = rows.known(id)?;
        let (status, held) = (stored.execution.status, stored.execution.fence);
        if status.is_final() || fence != held {
            return Err(Error::conflict("the execution has moved on")
                .with("execution", id)
                .with("status", status)
                .with("fence", held.0));
        }
        let fresh = fresh(&stored.log, entries)?;
        self.check_length(stored.log.len() + fresh.len(), "log entries")?;
        stored.log.extend_from_slice(fresh);
        Ok(Cursor(stored.log.len() as u64))
    }

    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>> {
        let rows = self.rows()?;
        let log = rows.stored.get(id).map_or(&[][..], |stored| &stored.log);
        let behind = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(log.iter().skip(behind).take(limit as usize).cloned().collect())
    }
}
