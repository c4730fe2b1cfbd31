//! New executions, many in one statement.
use std::{collections::HashSet, sync::Arc};

use agent_gateway_core::Error;

use super::{
    bulk::Bulk,
    command::Create,
    driver::{Driver, Failure},
    engine::Engine,
};
use crate::{Column, Names, RowExt, Syntax, Value, executions::COLUMNS};

#[derive(Debug)]
pub(super) struct CreateTexts {
    insert: Arc<Bulk>,
}

impl CreateTexts {
    pub(super) fn new(names: &Names, syntax: Syntax) -> Self {
        let columns = Column::list(&COLUMNS);
        let insert = Bulk::new(names, syntax, &Column::kinds(&COLUMNS), |given| {
            format!(
                "INSERT INTO {{p}}executions ({columns}) SELECT * FROM {} WHERE column1 IS NOT NULL \
                 ON CONFLICT DO NOTHING RETURNING id",
                given.table("new")
            )
        });
        Self { insert: Arc::new(insert) }
    }
}

impl<D: Driver> Engine<D> {
    /// Stores the executions whose id and key are free. No id and no key occurs twice among them.
    pub(super) async fn create(&mut self, creates: Vec<&mut Create>) -> Result<(), Failure> {
        let rows: Vec<&[Value]> = creates.iter().map(|create| create.row.as_slice()).collect();
        let insert = self.create_texts.insert.clone();
        let mut stored = HashSet::with_capacity(creates.len());
        for row in self.write_rows(&insert, &rows).await? {
            stored.insert(row.need_text("id").map_err(Failure::unreadable)?);
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
    async fn refusal(&mut self, create: &Create) -> Result<Error, Failure> {
        if let Some(taken) = &create.taken
            && self.driver.run(taken).await?.rows.is_empty()
        {
            return Ok(
                Error::conflict("a turn of the conversation is under way").with("execution", &create.id)
            );
        }
        Ok(Error::already_exists("the execution id or its idempotency key is taken")
            .with("execution", &create.id))
    }
}
