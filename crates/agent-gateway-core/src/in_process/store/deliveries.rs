//! The notification outbox.
use std::{collections::BTreeMap, ops::Bound};

use async_trait::async_trait;

use super::{Table, cursor};
use crate::{
    Error, Result, Timestamp,
    page::{Page, PageRequest},
    ports::persistence::{Delivery, DeliveryQuery, DeliveryStatus, DeliveryStore, NewDelivery},
    principal::Visibility,
};

const LIST: &str = "deliveries";

#[derive(Debug, Default)]
pub(super) struct Rows {
    stored: BTreeMap<u64, Delivery>,
    last: u64,
}

impl Rows {
    fn known(&mut self, id: u64) -> Result<&mut Delivery> {
        self.stored.get_mut(&id).ok_or_else(|| Error::not_found("no such delivery").with("delivery", id))
    }

    fn settled(&self) -> impl Iterator<Item = u64> {
        self.stored.values().filter(|row| row.status != DeliveryStatus::Pending).map(|row| row.id)
    }
}

fn fits(query: &DeliveryQuery, who: &Visibility, row: &Delivery) -> bool {
    who.allows(row.what.user_id.as_ref())
        && query.status.is_none_or(|status| status == row.status)
        && query.agent_id.as_ref().is_none_or(|agent| *agent == row.what.agent_id)
        && query.channel.as_ref().is_none_or(|channel| *channel == row.what.channel)
        && query.execution_id.as_ref().is_none_or(|execution| *execution == row.what.execution_id)
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::invalid("not a page cursor of the deliveries"))
}

#[async_trait]
impl DeliveryStore for Table<Rows> {
    async fn enqueue(&self, deliveries: &[NewDelivery], at: Timestamp) -> Result<Vec<u64>> {
        let mut rows = self.rows()?;
        let over = (rows.stored.len() + deliveries.len()).saturating_sub(self.capacity);
        let forgotten: Vec<u64> = rows.settled().take(over).collect();
        if forgotten.len() < over {
            self.check_room(self.capacity, "pending deliveries")?;
        }
        for id in forgotten {
            rows.stored.remove(&id);
        }
        let mut ids = Vec::with_capacity(deliveries.len());
        for what in deliveries {
            rows.last += 1;
            let id = rows.last;
            rows.stored.insert(id, Delivery::new(id, what.clone(), at));
            ids.push(id);
        }
        Ok(ids)
    }

    async fn claim(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Delivery>> {
        let mut rows = self.rows()?;
        let due = rows
            .stored
            .values_mut()
            .filter(|row| row.status == DeliveryStatus::Pending && row.due_at <= now)
            .take(limit as usize);
        Ok(due
            .map(|row| {
                row.attempts += 1;
                row.due_at = until;
                row.clone()
            })
            .collect())
    }

    async fn delivered(&self, id: u64, at: Timestamp) -> Result<()> {
        let mut rows = self.rows()?;
        let row = rows.known(id)?;
        row.status = DeliveryStatus::Delivered;
        row.delivered_at.get_or_insert(at);
        Ok(())
    }

    async fn failed(&self, id: u64, why: &str, again: Option<Timestamp>) -> Result<()> {
        let mut rows = self.rows()?;
        let row = rows.known(id)?;
        // An attempt that was thought lost may have arrived: its delivery stays delivered.
        if row.status == DeliveryStatus::Delivered {
            return Ok(());
        }
        row.last_error = Some(why.to_owned());
        match again {
            Some(again) => (row.status, row.due_at) = (DeliveryStatus::Pending, again),
            None => row.status = DeliveryStatus::Failed,
        }
        Ok(())
    }

    async fn list(
        &self,
        query: &DeliveryQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        let rows = self.rows()?;
        let end = match &page.after {
            Some(after) => Bound::Excluded(number(&cursor::read(LIST, after)?.1)?),
            None => Bound::Unbounded,
        };
        let newest_first = rows.stored.range((Bound::Unbounded, end)).rev().map(|(_, row)| row);
        let found: Vec<Delivery> = newest_first
            .filter(|row| fits(query, who, row))
            .take(page.limit() as usize + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, page.limit(), |last| {
            cursor::write(LIST, &(last.created_at, last.id.to_string()))
        }))
    }

    async fn count(&self, query: &DeliveryQuery, who: &Visibility) -> Result<u64> {
        let rows = self.rows()?;
        Ok(rows.stored.values().filter(|row| fits(query, who, row)).count() as u64)
    }
}
