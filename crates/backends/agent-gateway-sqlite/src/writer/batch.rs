//! The order inside a batch: the hot commands in runs that touch no execution twice, then the programs as they came.
use std::{collections::HashSet, sync::Arc};

use agent_gateway_core::Error;
use agent_gateway_sql::{Effect, Statement};

use super::{
    command::{Command, Create, Program, Record},
    engine::Engine,
};
use crate::{
    error::{convert, is_of_statement},
    row::{Row, arguments},
};

/// Commands of the hot path that can share statements, because no two of them touch the same execution or key.
#[derive(Default)]
struct Run<'c> {
    creates: Vec<&'c mut Create>,
    records: Vec<&'c mut Record>,
    touched: HashSet<Arc<str>>,
}

impl Run<'_> {
    /// Whether all of `names` are new to this run; if so, they belong to it from now on.
    fn take(&mut self, names: &[&Arc<str>]) -> bool {
        let fresh = names.iter().all(|name| !self.touched.contains(*name));
        if fresh {
            self.touched.extend(names.iter().map(|name| Arc::clone(name)));
        }
        fresh
    }
}

impl Engine {
    pub(super) async fn run_batch(&mut self, commands: &mut [Command]) -> Result<(), sqlx::Error> {
        let mut run = Run::default();
        let mut programs = Vec::new();
        for command in commands {
            match command {
                Command::Create(create) => {
                    let names: Vec<Arc<str>> = create.key.iter().chain([&create.id]).cloned().collect();
                    let names: Vec<&Arc<str>> = names.iter().collect();
                    if !run.take(&names) {
                        self.flush(std::mem::take(&mut run)).await?;
                        run.take(&names);
                    }
                    run.creates.push(create);
                }
                Command::Record(record) => {
                    let id = record.id.clone();
                    if !run.take(&[&id]) {
                        self.flush(std::mem::take(&mut run)).await?;
                        run.take(&[&id]);
                    }
                    run.records.push(record);
                }
                Command::Program(program) => programs.push(program),
                Command::Prepare(_) | Command::Close(_) => {}
            }
        }
        self.flush(run).await?;
        for program in programs {
            self.run_program(program).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, run: Run<'_>) -> Result<(), sqlx::Error> {
        self.create(run.creates).await?;
        self.record(run.records).await
    }

    /// Runs a program behind a savepoint, so that its failure is its own.
    async fn run_program(&mut self, program: &mut Program) -> Result<(), sqlx::Error> {
        // One statement is undone by SQLite itself when it fails.
        let several = program.statements.len() > 1;
        if several {
            self.execute_text("SAVEPOINT program").await?;
        }
        let outcome = self.run_statements(&program.statements).await;
        let outcome = match outcome {
            Err(error) if is_of_statement(&error) => {
                if several {
                    self.execute_text("ROLLBACK TO program").await?;
                }
                Err(convert("sqlite.write", error))
            }
            outcome => Ok(outcome?),
        };
        if several {
            self.execute_text("RELEASE program").await?;
        }
        program.reply.set(outcome);
        Ok(())
    }

    async fn run_statements(&mut self, statements: &[Statement]) -> Result<Vec<Effect<Row>>, sqlx::Error> {
        let mut effects = Vec::with_capacity(statements.len());
        for statement in statements {
            effects.push(self.execute(statement.text.clone(), arguments(&statement.args)?).await?);
        }
        Ok(effects)
    }
}

/// A stored value that cannot be read is the fault of one row; its command is repeated by itself.
pub(super) fn unreadable(error: Error) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}
