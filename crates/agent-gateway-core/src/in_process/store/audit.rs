//! The audit log.
use std::{collections::BTreeMap, ops::Bound};

use async_trait::async_trait;

use super::{Table, cursor};
use crate::{
    Error, Result, Timestamp,
    page::{Page, PageRequest},
    ports::persistence::{AuditRecord, AuditStore},
};

const LIST: &str = "audit";

#[derive(Debug, Default)]
pub(super) struct Rows {
    records: BTreeMap<(Timestamp, u64), AuditRecord>,
    last: u64,
}

#[async_trait]
impl AuditStore for Table<Rows> {
    async fn append(&self, record: &AuditRecord) -> Result<()> {
        let mut rows = self.rows()?;
        if rows.records.len() >= self.capacity {
            rows.records.pop_first();
        }
        rows.last += 1;
        let key = (record.at, rows.last);
        rows.records.insert(key, record.clone());
        Ok(())
    }

    async fn list(&self, page: PageRequest) -> Result<Page<AuditRecord>> {
        let rows = self.rows()?;
        let end = match &page.after {
            Some(after) => {
                let (at, number) = cursor::read(LIST, after)?;
                let number: u64 =
                    number.parse().map_err(|_| Error::invalid("not a page cursor of the audit log"))?;
                Bound::Excluded((at, number))
            }
            None => Bound::Unbounded,
        };
        let found: Vec<_> = rows
            .records
            .range((Bound::Unbounded, end))
            .rev()
            .take(page.limit() as usize + 1)
            .map(|(key, record)| (*key, record.clone()))
            .collect();
        let cut = Page::cut(found, page.limit(), |((at, number), _)| {
            cursor::write(LIST, &(*at, number.to_string()))
        });
        Ok(Page { items: cut.items.into_iter().map(|(_, record)| record).collect(), next: cut.next })
    }
}
