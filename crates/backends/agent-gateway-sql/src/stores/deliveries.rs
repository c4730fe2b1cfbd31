use agent_gateway_core::{
    Error, Result, Timestamp,
    page::{Page, PageRequest},
    ports::persistence::{Delivery, DeliveryQuery, DeliveryStatus, DeliveryStore, NewDelivery},
    principal::Visibility,
};
use async_trait::async_trait;

use super::{Stores, affected, selected};
use crate::{Database, RowExt, Statement, Value, cursor, select::Select};

const LIST: &str = "deliveries";
const COLUMNS: &str = "id, execution_id, agent_id, user_id, event_type, channel, target, payload, status, attempts, \
                       last_error, created_at, due_at, delivered_at";

#[async_trait]
impl<D: Database> DeliveryStore for Stores<D> {
    async fn enqueue(&self, deliveries: &[NewDelivery], at: Timestamp) -> Result<Vec<u64>> {
        let insert = |what: &NewDelivery| {
            Ok(Statement::new(
                self.0.names(),
                "INSERT INTO {p}notification_log (execution_id, agent_id, user_id, event_type, channel, target, payload, \
                 status, attempts, created_at, due_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, 'pending', 0, $8, $8) RETURNING id",
                vec![
                    what.execution_id.as_str().into(),
                    what.agent_id.as_str().into(),
                    Value::word(what.user_id.as_ref()),
                    what.event_type.as_str().into(),
                    what.channel.as_str().into(),
                    what.target.as_str().into(),
                    Value::json(&what.payload)?,
                    at.into(),
                ],
            ))
        };
        let effects = self.0.write(deliveries.iter().map(insert).collect::<Result<_>>()?).await?;
        let number = |place| {
            let id = selected(&effects, place, "id")?;
            id.ok_or_else(|| Error::unexpected("the driver gave a delivery no number"))
        };
        (0..deliveries.len()).map(number).collect()
    }

    async fn claim(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Delivery>> {
        let text = format!(
            "WITH due AS MATERIALIZED (SELECT id AS number FROM {{p}}notification_log \
             WHERE status = 'pending' AND due_at <= $1 ORDER BY id LIMIT $3{}) \
             UPDATE {{p}}notification_log SET attempts = attempts + 1, due_at = $2 \
             WHERE id IN (SELECT number FROM due) RETURNING {COLUMNS}",
            self.0.syntax().lock_free()
        );
        let args = vec![now.into(), until.into(), limit.into()];
        let claimed = self.write_one(Statement::new(self.0.names(), &text, args)).await?;
        let mut found: Vec<Delivery> = claimed.rows.iter().map(delivery).collect::<Result<_>>()?;
        found.sort_by_key(|delivery| delivery.id);
        Ok(found)
    }

    async fn delivered(&self, id: u64, at: Timestamp) -> Result<()> {
        let text = "UPDATE {p}notification_log SET status = 'delivered', delivered_at = coalesce(delivered_at, $2) \
                    WHERE id = $1";
        let args = vec![key(id)?, at.into()];
        let updated = self.write_one(Statement::new(self.0.names(), text, args)).await?;
        if updated.affected == 0 { Err(unknown(id)) } else { Ok(()) }
    }

    async fn failed(&self, id: u64, why: &str, again: Option<Timestamp>) -> Result<()> {
        let status = if again.is_some() { DeliveryStatus::Pending } else { DeliveryStatus::Failed };
        // An attempt that was thought lost may have arrived: its delivery stays delivered.
        let update = Statement::new(
            self.0.names(),
            "UPDATE {p}notification_log SET last_error = $2, status = $3, due_at = coalesce($4, due_at) \
             WHERE id = $1 AND status <> 'delivered'",
            vec![key(id)?, why.into(), status.as_str().into(), again.into()],
        );
        let known = Statement::new(
            self.0.names(),
            "SELECT id FROM {p}notification_log WHERE id = $1",
            vec![key(id)?],
        );
        let effects = self.0.write(vec![update, known]).await?;
        let known = affected(&effects, 0)? > 0 || selected(&effects, 1, "id")?.is_some();
        if known { Ok(()) } else { Err(unknown(id)) }
    }

    async fn list(
        &self,
        query: &DeliveryQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Delivery>> {
        let mut select = filtered(&format!("SELECT {COLUMNS} FROM {{p}}notification_log"), query, who);
        if let Some(after) = &page.after {
            let (_, number) = cursor::read_number(LIST, after)?;
            select = select.filter("id < ?", [Value::Int(number)]);
        }
        let rows = self.0.read(select.page(self.0.names(), "id DESC", page.limit())).await?;
        let found: Vec<Delivery> = rows.iter().map(delivery).collect::<Result<_>>()?;
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, last.created_at, &last.id.to_string())))
    }

    async fn count(&self, query: &DeliveryQuery, who: &Visibility) -> Result<u64> {
        let select = filtered("SELECT count(*) AS found FROM {p}notification_log", query, who);
        let rows = self.0.read(select.all(self.0.names())).await?;
        rows.first().map_or(Ok(0), |row| row.count("found"))
    }
}

fn filtered(head: &str, query: &DeliveryQuery, who: &Visibility) -> Select {
    Select::new(head)
        .filter_some("status = ?", query.status.map(DeliveryStatus::as_str))
        .filter_some("agent_id = ?", query.agent_id.as_ref().map(|id| id.as_str()))
        .filter_some("channel = ?", query.channel.as_deref())
        .filter_some("execution_id = ?", query.execution_id.as_ref().map(|id| id.as_str()))
        .visible("user_id = ?", who)
}

/// A number that no delivery can have is unknown.
fn key(id: u64) -> Result<Value> {
    Value::number(id).map_err(|_| unknown(id))
}

fn unknown(id: u64) -> Error {
    Error::not_found("no such delivery").with("delivery", id)
}

fn delivery<R: RowExt>(row: &R) -> Result<Delivery> {
    let what = NewDelivery {
        execution_id: row.need_word("execution_id")?,
        agent_id: row.need_word("agent_id")?,
        user_id: row.word("user_id")?,
        event_type: row.need_text("event_type")?,
        channel: row.need_text("channel")?,
        target: row.text("target")?.unwrap_or_default(),
        payload: row.map("payload")?,
    };
    let mut found = Delivery::new(row.count("id")?, what, row.need_time("created_at")?);
    found.status = match row.need_text("status")?.as_str() {
        "delivered" => DeliveryStatus::Delivered,
        "failed" => DeliveryStatus::Failed,
        _ => DeliveryStatus::Pending,
    };
    found.attempts = u32::try_from(row.count("attempts")?).unwrap_or(u32::MAX);
    found.last_error = row.text("last_error")?;
    found.due_at = row.time("due_at")?.unwrap_or(found.created_at);
    found.delivered_at = row.time("delivered_at")?;
    Ok(found)
}
