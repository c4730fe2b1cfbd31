//! Tool calls that wait for a person.
use std::{collections::BTreeMap, ops::Bound};

use async_trait::async_trait;

use super::{
    Table,
    cursor::{self, TimeKey},
};
use crate::{
    Error, Result, Timestamp,
    approval::{Approval, ApprovalQuery, ApprovalStatus, Decided, Decision},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    ports::persistence::ApprovalStore,
    principal::Visibility,
};

const LIST: &str = "approvals";

#[derive(Debug, Default)]
pub(super) struct Rows {
    stored: BTreeMap<TimeKey, Approval>,
}

impl Rows {
    fn find(&self, id: &ApprovalId) -> Option<&Approval> {
        self.stored.values().find(|row| row.id == *id)
    }

    fn known(&mut self, id: &ApprovalId) -> Result<&mut Approval> {
        let found = self.stored.values_mut().find(|row| row.id == *id);
        found.ok_or_else(|| Error::not_found("no such approval").with("approval", id))
    }

    /// Adds approvals; of those that are settled, the oldest make room where more than `capacity` would be kept.
    pub(super) fn add(&mut self, approvals: &[Approval], capacity: usize) {
        let over = (self.stored.len() + approvals.len()).saturating_sub(capacity);
        let settled = self.stored.iter().filter(|(_, row)| row.status != ApprovalStatus::Pending);
        let forgotten: Vec<TimeKey> = settled.map(|(key, _)| key.clone()).take(over).collect();
        for key in forgotten {
            self.stored.remove(&key);
        }
        for approval in approvals {
            self.stored.insert(time_key(approval), approval.clone());
        }
    }

    /// How many nobody has decided.
    pub(super) fn pending(&self) -> usize {
        self.stored.values().filter(|row| row.status == ApprovalStatus::Pending).count()
    }

    /// The execution has ended.
    pub(super) fn withdraw(&mut self, execution: &ExecutionId) {
        for row in self.stored.values_mut() {
            if row.execution_id == *execution && row.status == ApprovalStatus::Pending {
                row.status = ApprovalStatus::Withdrawn;
            }
        }
    }
}

fn time_key(approval: &Approval) -> TimeKey {
    (approval.created_at, approval.id.to_string())
}

fn fits(query: &ApprovalQuery, who: &Visibility, row: &Approval) -> bool {
    who.allows(row.user_id.as_ref())
        && query.status.is_none_or(|status| status == row.status)
        && query.agent_id.as_ref().is_none_or(|agent| *agent == row.agent_id)
        && query.execution_id.as_ref().is_none_or(|execution| *execution == row.execution_id)
        && query.root_execution_id.as_ref().is_none_or(|root| *root == row.root_execution_id)
}

#[async_trait]
impl ApprovalStore for Table<Rows> {
    async fn get(&self, id: &ApprovalId, who: &Visibility) -> Result<Option<Approval>> {
        let rows = self.rows()?;
        Ok(rows.find(id).filter(|row| who.allows(row.user_id.as_ref())).cloned())
    }

    async fn list(
        &self,
        query: &ApprovalQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Approval>> {
        let rows = self.rows()?;
        let end = match &page.after {
            Some(after) => Bound::Excluded(cursor::read(LIST, after)?),
            None => Bound::Unbounded,
        };
        let newest_first = rows.stored.range((Bound::Unbounded, end)).rev().map(|(_, row)| row);
        let found: Vec<Approval> = newest_first
            .filter(|row| fits(query, who, row))
            .take(page.limit() as usize + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, &time_key(last))))
    }

    async fn of_execution(&self, id: &ExecutionId) -> Result<Vec<Approval>> {
        let rows = self.rows()?;
        Ok(rows.stored.values().filter(|row| row.execution_id == *id).cloned().collect())
    }

    async fn decide(&self, id: &ApprovalId, decision: &Decision) -> Result<Decided> {
        let mut rows = self.rows()?;
        let row = rows.known(id)?;
        if row.status != ApprovalStatus::Pending || decision.at >= row.expires_at {
            return Ok(Decided::TooLate(Box::new(row.clone())));
        }
        row.status = decision.verdict.status();
        row.decision = Some(decision.clone());
        Ok(Decided::Stored(Box::new(row.clone())))
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>> {
        let mut rows = self.rows()?;
        let mut due: Vec<&mut Approval> = rows
            .stored
            .values_mut()
            .filter(|row| row.status == ApprovalStatus::Pending && row.expires_at <= now)
            .collect();
        due.sort_by_key(|row| row.expires_at);
        Ok(due
            .into_iter()
            .take(limit as usize)
            .map(|row| {
                row.status = ApprovalStatus::Expired;
                row.execution_id.clone()
            })
            .collect())
    }
}
