//! New executions, many in one statement.
use std::{collections::HashSet, sync::Arc};

use agent_gateway_core::Error;
use agent_gateway_sql::{Names, RowExt, Value, executions::COLUMNS};

use super::{batch::unreadable, bulk::Bulk, command::Create, engine::Engine};
use crate::row::arguments;

#[derive(Debug)]
pub(super) struct CreateTexts {
    insert: Arc<Bulk>,
}

impl CreateTexts {
    pub(super) fn new(names: &Names) -> Self {
        let columns = COLUMNS.join(", ");
        let insert = Bulk::new(COLUMNS.len(), |rows| {
            names.fill(&format!(
                "INSERT INTO {{p}}executions ({columns}) SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL \
                 ON CONFLICT DO NOTHING RETURNING id"
            ))
        });
        Self { insert: Arc::new(insert) }
    }
}

impl Engine {
    /// Stores the executions whose id and key are free. No id and no key occurs twice among them.
    pub(super) async fn create(&mut self, creates: Vec<&mut Create>) -> Result<(), sqlx::Error> {
        let rows: Vec<&[Value]> = creates.iter().map(|create| create.row.as_slice()).collect();
        let insert = self.create_texts.insert.clone();
        let mut stored = HashSet::with_capacity(creates.len());
        for (text, args) in insert.statements(&rows)? {
            for row in self.execute(text, args).await?.rows {
                stored.insert(row.need_text("id").map_err(unreadable)?);
            }
        }
        for create in creates {
            create.reply.set(if stored.contains(&*create.id) {
                Ok(())
            } else {
                Err(self.refusal(create).await?)
            });
        }
        Ok(())
    }

    /// What stopped an execution. A taken id or key counts before a turn under way: a repeated request is a repeated one.
    async fn refusal(&mut self, create: &Create) -> Result<Error, sqlx::Error> {
        if let Some(taken) = &create.taken
            && self.execute(taken.text.clone(), arguments(&taken.args)?).await?.rows.is_empty()
        {
            return Ok(
                Error::conflict("a turn of the conversation is under way").with("execution", &create.id)
            );
        }
        Ok(Error::already_exists("the execution id or its idempotency key is taken")
            .with("execution", &create.id))
    }
}
