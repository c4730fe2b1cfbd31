//! Executions and their logs.
use std::{ops::Bound, sync::Arc};

use async_trait::async_trait;

use super::{Table, approvals, conversations, cursor};
use crate::{
    Result, Timestamp,
    execution::{
        Advanced, Cursor, Draft, DraftPiece, Execution, ExecutionQuery, ExecutionStatus, Fence, LogEntry,
        Transition,
    },
    id::{ExecutionId, IdempotencyKey, InstanceId, UserId},
    page::{Page, PageRequest},
    ports::persistence::ExecutionStore,
    principal::Visibility,
};

mod rows;

use rows::time_key;
pub(super) use rows::{Rows, Stored};

const LIST: &str = "executions";

/// Executions, the approvals that they wait for, and the conversations that their ends add to. Where several tables are locked,
/// this one comes first, then the approvals.
#[derive(Debug)]
pub(super) struct Executions {
    pub(super) table: Table<Rows>,
    pub(super) conversations: Arc<Table<conversations::Rows>>,
    pub(super) approvals: Arc<Table<approvals::Rows>>,
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
        && same(query.instance.as_ref(), execution.instance.as_ref())
        && query.since.is_none_or(|since| execution.created_at >= since)
        && query.until.is_none_or(|until| execution.created_at <= until)
}

#[async_trait]
impl ExecutionStore for Executions {
    async fn create(&self, execution: &Execution) -> Result<()> {
        let mut rows = self.table.rows()?;
        rows.check_new(execution)?;
        if rows.len() >= self.table.capacity {
            rows.forget_oldest_finished();
        }
        self.table.check_room(rows.len(), "executions under way")?;
        rows.insert(execution.clone());
        Ok(())
    }

    async fn get(&self, id: &ExecutionId, who: &Visibility) -> Result<Option<Execution>> {
        let rows = self.table.rows()?;
        let found = rows.get(id.as_str()).map(|stored| &stored.execution);
        Ok(found.filter(|execution| who.allows(execution.user_id.as_ref())).cloned())
    }

    async fn find_by_key(&self, key: &IdempotencyKey, owner: Option<&UserId>) -> Result<Option<Execution>> {
        let rows = self.table.rows()?;
        let found = rows.by_key(&(owner.cloned(), key.clone()));
        Ok(found.map(|stored| stored.execution.clone()))
    }

    async fn forget_keys(&self, before: Timestamp) -> Result<u64> {
        Ok(self.table.rows()?.forget_keys(before))
    }

    async fn list(
        &self,
        query: &ExecutionQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Execution>> {
        let rows = self.table.rows()?;
        let end = match &page.after {
            Some(after) => Bound::Excluded(cursor::read(LIST, after)?),
            None => Bound::Unbounded,
        };
        let newest_first = rows.by_time().range((Bound::Unbounded, end)).rev();
        let found: Vec<Execution> = newest_first
            .filter_map(|(_, id)| rows.get(id))
            .map(|stored| &stored.execution)
            .filter(|execution| who.allows(execution.user_id.as_ref()) && fits(query, execution))
            .take(page.limit() as usize + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, &time_key(last))))
    }

    async fn advance(&self, id: &ExecutionId, fence: Fence, change: &Transition) -> Result<Advanced> {
        let mut rows = self.table.rows()?;
        let stored = rows.known(id)?;
        let (status, held) = (stored.execution.status, stored.execution.fence);
        let refused = Advanced::Refused { status, fence: held };
        match change {
            Transition::Start { fence: new, .. }
                if !matches!(status, ExecutionStatus::Queued | ExecutionStatus::Running) || *new <= held =>
            {
                Ok(refused)
            }
            Transition::Start { fence: new, instance, at } => {
                stored.execution.status = ExecutionStatus::Running;
                stored.execution.fence = *new;
                stored.execution.instance.clone_from(instance);
                stored.execution.started_at.get_or_insert(*at);
                Ok(Advanced::Applied)
            }
            Transition::Suspend { .. } if status != ExecutionStatus::Running || fence != held => Ok(refused),
            Transition::Suspend { approvals, options, entries } => {
                let fresh = stored.fresh(entries)?;
                self.table.check_length(stored.log.len() + fresh.len(), "log entries")?;
                let mut waiting = self.approvals.rows()?;
                let held = waiting.pending() + approvals.len().saturating_sub(1);
                if !approvals.is_empty() {
                    self.approvals.check_room(held, "pending approvals")?;
                }
                waiting.add(approvals, self.approvals.capacity);
                stored.append(fresh);
                stored.draft = None;
                stored.execution.status = ExecutionStatus::Suspended;
                stored.execution.options.clone_from(options);
                stored.execution.instance = None;
                Ok(Advanced::Applied)
            }
            Transition::Resume { .. } if status != ExecutionStatus::Suspended || fence != held => Ok(refused),
            Transition::Resume { instance } => {
                stored.execution.status = ExecutionStatus::Queued;
                stored.execution.instance.clone_from(instance);
                Ok(Advanced::Applied)
            }
            Transition::Finish { .. } if status.is_final() || fence != held => Ok(refused),
            Transition::Finish { outcome, entries, said, at } => {
                let fresh = stored.fresh(entries)?;
                self.table.check_length(stored.log.len() + fresh.len(), "log entries")?;
                let mut waiting = self.approvals.rows()?;
                let Some(session) = stored.execution.session_id.clone().filter(|_| !said.is_empty()) else {
                    rows.finish(id, fresh, outcome, *at)?;
                    waiting.withdraw(id);
                    return Ok(Advanced::Applied);
                };
                // All locks are held to the end, so that nobody sees one change without the other.
                let mut conversations = self.conversations.rows()?;
                let length = conversations.messages(&session).len() + said.len();
                self.conversations.check_length(length, "messages")?;
                rows.finish(id, fresh, outcome, *at)?;
                waiting.withdraw(id);
                conversations.grow(&session, said, *at);
                Ok(Advanced::Applied)
            }
        }
    }

    async fn append(&self, id: &ExecutionId, fence: Fence, entries: &[LogEntry]) -> Result<Cursor> {
        let mut rows = self.table.rows()?;
        let stored = rows.known(id)?;
        stored.check_writer(fence)?;
        let fresh = stored.fresh(entries)?;
        self.table.check_length(stored.log.len() + fresh.len(), "log entries")?;
        stored.append(fresh);
        Ok(stored.end())
    }

    async fn append_draft(&self, id: &ExecutionId, fence: Fence, piece: &DraftPiece) -> Result<()> {
        let mut rows = self.table.rows()?;
        let stored = rows.known(id)?;
        stored.check_writer(fence)?;
        let end = stored.end();
        if piece.after == end {
            let empty = || Draft { after: end, text: String::new() };
            stored.draft.get_or_insert_with(empty).take_in(piece.offset, &piece.text);
        }
        Ok(())
    }

    async fn draft(&self, id: &ExecutionId) -> Result<Option<Draft>> {
        let rows = self.table.rows()?;
        let found = rows.get(id.as_str()).and_then(|stored| stored.draft.as_ref());
        Ok(found.filter(|draft| !draft.text.is_empty()).cloned())
    }

    async fn announce(&self, instance: &InstanceId, until: Timestamp) -> Result<()> {
        self.table.rows()?.announce(instance, until, self.table.capacity);
        Ok(())
    }

    async fn instances(&self) -> Result<Vec<(InstanceId, Timestamp)>> {
        let rows = self.table.rows()?;
        Ok(rows.instances().iter().map(|(instance, until)| (instance.clone(), *until)).collect())
    }

    async fn retire(&self, instance: &InstanceId) -> Result<()> {
        self.table.rows()?.retire(instance);
        Ok(())
    }

    async fn hand_over(&self, ids: &[ExecutionId], from: &InstanceId) -> Result<()> {
        let mut rows = self.table.rows()?;
        for id in ids {
            if let Ok(stored) = rows.known(id)
                && stored.execution.status == ExecutionStatus::Queued
                && stored.execution.instance.as_ref() == Some(from)
            {
                stored.execution.instance = None;
            }
        }
        Ok(())
    }

    async fn orphans(&self, now: Timestamp, limit: u32) -> Result<Vec<Execution>> {
        let rows = self.table.rows()?;
        Ok(rows.orphans(now).take(limit as usize).cloned().collect())
    }

    async fn log(&self, id: &ExecutionId, after: Cursor, limit: u32) -> Result<Vec<LogEntry>> {
        let rows = self.table.rows()?;
        let log = rows.get(id.as_str()).map_or(&[][..], |stored| &stored.log);
        let behind = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(log.iter().skip(behind).take(limit as usize).cloned().collect())
    }
}
