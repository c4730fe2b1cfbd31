//! Schedules of the workspace, of administrators and of users.
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
    Error, Result, Timestamp,
    agent::Activation,
    id::ScheduleId,
    page::{Page, PageRequest},
    ports::persistence::{ScheduleOwner, ScheduleRecord, ScheduleStore},
    principal::Visibility,
};

const LIST: &str = "schedules";

#[derive(Debug, Default)]
pub(super) struct Rows {
    stored: HashMap<ScheduleId, ScheduleRecord>,
    by_time: BTreeSet<TimeKey>,
}

fn time_key(schedule: &ScheduleRecord) -> TimeKey {
    (schedule.created_at, schedule.id.to_string())
}

fn sees(who: &Visibility, schedule: &ScheduleRecord) -> bool {
    match &schedule.owner {
        ScheduleOwner::User(user) => who.allows(Some(user)),
        ScheduleOwner::Workspace | ScheduleOwner::Admin => true,
    }
}

#[async_trait]
impl ScheduleStore for Table<Rows> {
    async fn create(&self, schedule: &ScheduleRecord) -> Result<()> {
        let mut rows = self.rows()?;
        if rows.stored.contains_key(&schedule.id) {
            return Err(Error::already_exists("the schedule id is taken").with("schedule", &schedule.id));
        }
        self.check_room(rows.stored.len(), "schedules")?;
        rows.by_time.insert(time_key(schedule));
        rows.stored.insert(schedule.id.clone(), schedule.clone());
        Ok(())
    }

    async fn update(&self, schedule: &ScheduleRecord) -> Result<()> {
        let mut rows = self.rows()?;
        let Some(stored) = rows.stored.get_mut(&schedule.id) else {
            return Err(Error::not_found("no such schedule").with("schedule", &schedule.id));
        };
        *stored = ScheduleRecord {
            last_run_at: stored.last_run_at,
            created_at: stored.created_at,
            ..schedule.clone()
        };
        Ok(())
    }

    async fn get(&self, id: &ScheduleId, who: &Visibility) -> Result<Option<ScheduleRecord>> {
        Ok(self.rows()?.stored.get(id).filter(|schedule| sees(who, schedule)).cloned())
    }

    async fn list(&self, who: &Visibility, page: PageRequest) -> Result<Page<ScheduleRecord>> {
        let rows = self.rows()?;
        let start = match &page.after {
            Some(after) => Bound::Excluded(cursor::read(LIST, after)?),
            None => Bound::Unbounded,
        };
        let found: Vec<ScheduleRecord> = rows
            .by_time
            .range((start, Bound::Unbounded))
            .filter_map(|(_, id)| rows.stored.get(id.as_str()))
            .filter(|schedule| sees(who, schedule))
            .take(page.limit() as usize + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, &time_key(last))))
    }

    async fn activate(&self, id: &ScheduleId, activation: Activation) -> Result<bool> {
        let mut rows = self.rows()?;
        let Some(stored) = rows.stored.get_mut(id) else { return Ok(false) };
        stored.activation = activation;
        Ok(true)
    }

    async fn claim(&self, id: &ScheduleId, due: Timestamp, next: Option<Timestamp>) -> Result<bool> {
        let mut rows = self.rows()?;
        let Some(stored) = rows.stored.get_mut(id).filter(|stored| stored.next_run_at == Some(due)) else {
            return Ok(false);
        };
        stored.last_run_at = Some(due);
        stored.next_run_at = next;
        Ok(true)
    }

    async fn delete(&self, id: &ScheduleId) -> Result<bool> {
        let mut rows = self.rows()?;
        let Some(deleted) = rows.stored.remove(id) else { return Ok(false) };
        rows.by_time.remove(&time_key(&deleted));
        Ok(true)
    }
}
