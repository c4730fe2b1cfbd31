use agent_gateway_core::{
    Error, Result, Timestamp,
    agent::Activation,
    id::ScheduleId,
    page::{Page, PageRequest},
    ports::persistence::{ScheduleOwner, ScheduleRecord, ScheduleStore},
    principal::Visibility,
};
use async_trait::async_trait;

use super::Stores;
use crate::{Database, RowExt, Statement, Value, cursor, select::Select};

const LIST: &str = "schedules";
const COLUMNS: &str = "id, agent_id, name, cron_expr, message, instructions, input, enabled, timezone, source, user_id, \
                       last_run_at, next_run_at, created_at";
/// Schedules without a user are seen by all.
const VISIBLE: &str = "(user_id IS NULL OR user_id = ?)";

#[async_trait]
impl<D: Database> ScheduleStore for Stores<D> {
    async fn create(&self, schedule: &ScheduleRecord) -> Result<()> {
        // A row that the reference marked as deleted gives its id free.
        let text = format!(
            "INSERT INTO {{p}}schedules ({COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             ON CONFLICT (id) DO UPDATE SET agent_id = $2, name = $3, cron_expr = $4, message = $5, instructions = $6, \
             input = $7, enabled = $8, timezone = $9, source = $10, user_id = $11, last_run_at = $12, \
             next_run_at = $13, created_at = $14, deleted_at = NULL WHERE {{p}}schedules.deleted_at IS NOT NULL"
        );
        let created = self.write_one(Statement::new(self.0.names(), &text, values(schedule)?)).await?;
        if created.affected > 0 {
            return Ok(());
        }
        Err(Error::already_exists("the schedule id is taken").with("schedule", &schedule.id))
    }

    async fn update(&self, schedule: &ScheduleRecord) -> Result<()> {
        let mut args = values(schedule)?;
        // `last_run_at` and `created_at` stay as they are.
        args.truncate(11);
        args.push(schedule.next_run_at.into());
        let text = "UPDATE {p}schedules SET agent_id = $2, name = $3, cron_expr = $4, message = $5, instructions = $6, \
                    input = $7, enabled = $8, timezone = $9, source = $10, user_id = $11, next_run_at = $12 \
                    WHERE id = $1 AND deleted_at IS NULL";
        let updated = self.write_one(Statement::new(self.0.names(), text, args)).await?;
        if updated.affected > 0 {
            return Ok(());
        }
        Err(Error::not_found("no such schedule").with("schedule", &schedule.id))
    }

    async fn get(&self, id: &ScheduleId, who: &Visibility) -> Result<Option<ScheduleRecord>> {
        let select = select().filter("id = ?", [id.as_str().into()]).visible(VISIBLE, who);
        self.0.read(select.all(self.0.names())).await?.first().map(schedule).transpose()
    }

    async fn list(&self, who: &Visibility, page: PageRequest) -> Result<Page<ScheduleRecord>> {
        let mut select = select().visible(VISIBLE, who);
        if let Some(after) = &page.after {
            let (at, id) = cursor::read(LIST, after)?;
            select = select.filter("(created_at, id) > (?, ?)", [at.into(), id.as_str().into()]);
        }
        let rows = self.0.read(select.page(self.0.names(), "created_at, id", page.limit())).await?;
        let found: Vec<ScheduleRecord> = rows.iter().map(schedule).collect::<Result<_>>()?;
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, last.created_at, last.id.as_str())))
    }

    async fn activate(&self, id: &ScheduleId, activation: Activation) -> Result<bool> {
        let text = "UPDATE {p}schedules SET enabled = $2 WHERE id = $1 AND deleted_at IS NULL";
        let args = vec![id.as_str().into(), activation.is_active().into()];
        Ok(self.write_one(Statement::new(self.0.names(), text, args)).await?.affected > 0)
    }

    async fn claim(&self, id: &ScheduleId, due: Timestamp, next: Option<Timestamp>) -> Result<bool> {
        let text = "UPDATE {p}schedules SET last_run_at = $2, next_run_at = $3 \
                    WHERE id = $1 AND next_run_at = $2 AND deleted_at IS NULL";
        let args = vec![id.as_str().into(), due.into(), next.into()];
        Ok(self.write_one(Statement::new(self.0.names(), text, args)).await?.affected > 0)
    }

    async fn delete(&self, id: &ScheduleId) -> Result<bool> {
        let text = "DELETE FROM {p}schedules WHERE id = $1 AND deleted_at IS NULL";
        let deleted = self.write_one(Statement::new(self.0.names(), text, vec![id.as_str().into()])).await?;
        Ok(deleted.affected > 0)
    }
}

fn select() -> Select {
    Select::new(&format!("SELECT {COLUMNS} FROM {{p}}schedules")).filter("deleted_at IS NULL", [])
}

fn values(schedule: &ScheduleRecord) -> Result<Vec<Value>> {
    Ok(vec![
        schedule.id.as_str().into(),
        schedule.agent_id.as_str().into(),
        schedule.name.as_str().into(),
        schedule.cron_expr.as_str().into(),
        schedule.message.as_str().into(),
        schedule.instructions.as_deref().into(),
        Value::json(&schedule.input)?,
        schedule.activation.is_active().into(),
        schedule.timezone.as_str().into(),
        schedule.owner.source().into(),
        Value::word(schedule.owner.user()),
        schedule.last_run_at.into(),
        schedule.next_run_at.into(),
        schedule.created_at.into(),
    ])
}

fn schedule<R: RowExt>(row: &R) -> Result<ScheduleRecord> {
    let owner = match (row.word("user_id")?, row.need_text("source")?.as_str()) {
        (Some(user), _) => ScheduleOwner::User(user),
        (None, "admin") => ScheduleOwner::Admin,
        (None, _) => ScheduleOwner::Workspace,
    };
    let mut found = ScheduleRecord::new(
        row.need_word("id")?,
        row.need_word("agent_id")?,
        row.need_text("cron_expr")?,
        row.text("message")?.unwrap_or_default(),
        owner,
        row.need_time("created_at")?,
    );
    found.name = row.need_text("name")?;
    found.instructions = row.text("instructions")?;
    found.input = row.map("input")?;
    found.activation = Activation::from_flag(row.flag("enabled")?.unwrap_or(true));
    found.timezone = row.text("timezone")?.unwrap_or_else(|| "UTC".to_owned());
    found.last_run_at = row.time("last_run_at")?;
    found.next_run_at = row.time("next_run_at")?;
    Ok(found)
}
