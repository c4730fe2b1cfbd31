use agent_gateway_core::{
    Error, Result, Timestamp,
    approval::{Approval, ApprovalQuery, ApprovalStatus, Decided, Decision},
    id::{ApprovalId, ExecutionId},
    page::{Page, PageRequest},
    ports::persistence::ApprovalStore,
    principal::Visibility,
};
use async_trait::async_trait;

use super::{Stores, affected, no_effect};
use crate::{
    Column, Database, RowExt, Statement, Value,
    approvals::{COLUMNS, read_row},
    cursor,
    select::Select,
};

const LIST: &str = "approvals";

#[async_trait]
impl<D: Database> ApprovalStore for Stores<D> {
    async fn get(&self, id: &ApprovalId, who: &Visibility) -> Result<Option<Approval>> {
        let select = select().filter("id = ?", [id.as_str().into()]).visible("user_id = ?", who);
        self.0.read(select.all(self.0.names())).await?.first().map(read_row).transpose()
    }

    async fn list(
        &self,
        query: &ApprovalQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Approval>> {
        let mut select = select()
            .filter_some("status = ?", query.status.map(ApprovalStatus::as_str))
            .filter_some("agent_id = ?", query.agent_id.as_ref().map(|id| id.as_str()))
            .filter_some("execution_id = ?", query.execution_id.as_ref().map(|id| id.as_str()))
            .filter_some("root_execution_id = ?", query.root_execution_id.as_ref().map(|id| id.as_str()))
            .visible("user_id = ?", who);
        if let Some(after) = &page.after {
            let (at, id) = cursor::read(LIST, after)?;
            select = select.filter("(created_at, id) < (?, ?)", [at.into(), id.as_str().into()]);
        }
        let statement = select.page(self.0.names(), "created_at DESC, id DESC", page.limit());
        let found: Vec<Approval> =
            self.0.read(statement).await?.iter().map(read_row).collect::<Result<_>>()?;
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, last.created_at, last.id.as_str())))
    }

    async fn of_execution(&self, id: &ExecutionId) -> Result<Vec<Approval>> {
        let text = format!(
            "SELECT {} FROM {{p}}approvals WHERE execution_id = $1 ORDER BY created_at, id",
            Column::list(&COLUMNS)
        );
        let statement = Statement::new(self.0.names(), &text, vec![id.as_str().into()]);
        self.0.read(statement).await?.iter().map(read_row).collect()
    }

    async fn decide(&self, id: &ApprovalId, decision: &Decision) -> Result<Decided> {
        let update = Statement::new(
            self.0.names(),
            "UPDATE {p}approvals SET status = $2, decision = $3 \
             WHERE id = $1 AND status = 'pending' AND expires_at > $4",
            vec![
                id.as_str().into(),
                decision.verdict.status().as_str().into(),
                Value::json(decision)?,
                decision.at.into(),
            ],
        );
        let stored = select().filter("id = ?", [id.as_str().into()]).all(self.0.names());
        let effects = self.0.write(vec![update, stored]).await?;
        let row = effects.get(1).ok_or_else(no_effect)?.rows.first();
        let row = row.ok_or_else(|| Error::not_found("no such approval").with("approval", id))?;
        let approval = Box::new(read_row(row)?);
        Ok(if affected(&effects, 0)? > 0 { Decided::Stored(approval) } else { Decided::TooLate(approval) })
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>> {
        let text = format!(
            "WITH due AS MATERIALIZED (SELECT id AS due_id FROM {{p}}approvals \
             WHERE status = 'pending' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2{}) \
             UPDATE {{p}}approvals SET status = 'expired' WHERE id IN (SELECT due_id FROM due) \
             RETURNING id, execution_id, expires_at",
            self.0.syntax().lock_free()
        );
        let statement = Statement::new(self.0.names(), &text, vec![now.into(), limit.into()]);
        let rows = self.write_one(statement).await?.rows;
        let expired = |row: &D::Row| -> Result<_> {
            Ok((row.need_time("expires_at")?, row.need_text("id")?, row.need_word("execution_id")?))
        };
        let mut expired: Vec<(Timestamp, String, ExecutionId)> =
            rows.iter().map(expired).collect::<Result<_>>()?;
        expired.sort();
        Ok(expired.into_iter().map(|(_, _, execution)| execution).collect())
    }
}

fn select() -> Select {
    Select::new(&format!("SELECT {} FROM {{p}}approvals", Column::list(&COLUMNS)))
}
