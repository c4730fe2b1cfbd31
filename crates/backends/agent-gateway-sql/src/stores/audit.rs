use agent_gateway_core::{
    Result,
    page::{Page, PageRequest},
    ports::persistence::{AuditRecord, AuditStore},
};
use async_trait::async_trait;

use super::Stores;
use crate::{Database, RowExt, Statement, Value, cursor, select::Select};

const LIST: &str = "audit";
const COLUMNS: &str = "id, event_type, actor, resource_type, resource_id, metadata, ip_address, created_at";

#[async_trait]
impl<D: Database> AuditStore for Stores<D> {
    async fn append(&self, record: &AuditRecord) -> Result<()> {
        let statement = Statement::new(
            self.0.names(),
            "INSERT INTO {p}audit_log (event_type, actor, resource_type, resource_id, metadata, ip_address, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            vec![
                record.event_type.as_str().into(),
                Value::word(record.actor.as_ref()),
                record.resource_type.as_str().into(),
                record.resource_id.as_str().into(),
                Value::json(&record.metadata)?,
                record.ip_address.as_deref().into(),
                record.at.into(),
            ],
        );
        self.write_one(statement).await.map(drop)
    }

    async fn list(&self, page: PageRequest) -> Result<Page<AuditRecord>> {
        let mut select = Select::new(&format!("SELECT {COLUMNS} FROM {{p}}audit_log"));
        if let Some(after) = &page.after {
            let (at, number) = cursor::read_number(LIST, after)?;
            select = select.filter("(created_at, id) < (?, ?)", [at.into(), Value::Int(number)]);
        }
        let rows = self.0.read(select.page(self.0.names(), "created_at DESC, id DESC", page.limit())).await?;
        let found = rows
            .iter()
            .map(|row| Ok((row.count("id")?, record(row)?)))
            .collect::<Result<Vec<(u64, AuditRecord)>>>()?;
        let cut = Page::cut(found, page.limit(), |(id, last)| cursor::write(LIST, last.at, &id.to_string()));
        Ok(Page { items: cut.items.into_iter().map(|(_, record)| record).collect(), next: cut.next })
    }
}

fn record<R: RowExt>(row: &R) -> Result<AuditRecord> {
    Ok(AuditRecord {
        event_type: row.need_text("event_type")?,
        actor: row.word("actor")?,
        resource_type: row.text("resource_type")?.unwrap_or_default(),
        resource_id: row.text("resource_id")?.unwrap_or_default(),
        metadata: row.map("metadata")?,
        ip_address: row.text("ip_address")?,
        at: row.need_time("created_at")?,
    })
}
