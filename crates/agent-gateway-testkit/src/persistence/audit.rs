//! The audit log.
use agent_gateway_core::{
    JsonMap,
    page::PageRequest,
    ports::persistence::{AuditRecord, PersistenceBackend},
};
use serde_json::json;

use super::{at, object, pages, user};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure_eq},
};

/// A record of second `number`, by nobody.
pub(super) fn record(number: i64) -> Result<AuditRecord, Finding> {
    Ok(AuditRecord {
        event_type: "mcp_server.created".to_owned(),
        actor: None,
        resource_type: "mcp_server".to_owned(),
        resource_id: number.to_string(),
        metadata: JsonMap::new(),
        ip_address: None,
        at: at(number)?,
    })
}

/// Every field is kept, also the empty ones.
pub async fn a_record_comes_back_as_it_was(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut full = record(2)?;
    full.actor = Some(user("ann")?);
    full.metadata = object(json!({"name": "tools", "changed": ["url"]}));
    full.ip_address = Some("2001:db8::1".to_owned());
    let empty = record(1)?;
    for record in [&full, &empty] {
        store.audit().append(record).await?;
    }
    ensure_eq!(store.audit().list(PageRequest::first(10)).await?.items, [full, empty], "the stored records");
    Ok(())
}

/// By time, and by the order in which they came where two are of the same time; in pages of any size.
pub async fn records_come_newest_first(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut wanted = Vec::new();
    for number in 0..12 {
        let mut record = record(number / 4)?;
        record.resource_id = number.to_string();
        store.audit().append(&record).await?;
        wanted.insert(0, record);
    }
    for limit in [1, 5, 12, 100] {
        let found = pages(limit, |page| store.audit().list(page)).await?;
        ensure_eq!(found, wanted, "the records in pages of {limit}");
    }
    Ok(())
}
