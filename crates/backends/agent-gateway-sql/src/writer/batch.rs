//! The order inside a batch: the hot commands in runs that touch no execution twice, then the programs as they came.
use std::{collections::HashSet, sync::Arc};

use super::{
    command::{Command, Create, Program, Record},
    driver::{Driver, Failure},
    engine::Engine,
};
use crate::Value;

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

impl<D: Driver> Engine<D> {
    pub(super) async fn run_batch(&mut self, commands: &mut [Command<D::Row>]) -> Result<(), Failure> {
        let ids = recorded(commands);
        self.lock(&ids).await?;
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

    /// Takes every execution that the batch changes, where transactions write side by side: all in one order, so that no
    /// two of them wait for each other, and before anything is read, because what a statement reads while it waits for a
    /// row may be older than the row.
    async fn lock(&mut self, ids: &[Value]) -> Result<(), Failure> {
        let texts = self.record_texts.clone();
        let Some(lock) = &texts.lock else { return Ok(()) };
        let ids: Vec<&[Value]> = ids.iter().map(std::slice::from_ref).collect();
        self.write_rows(lock, &ids).await.map(drop)
    }

    async fn flush(&mut self, run: Run<'_>) -> Result<(), Failure> {
        self.create(run.creates).await?;
        self.record(run.records).await
    }

    async fn run_program(&mut self, program: &mut Program<D::Row>) -> Result<(), Failure> {
        let mut effects = Vec::with_capacity(program.statements.len());
        for statement in &program.statements {
            effects.push(self.driver.run(statement).await?);
        }
        program.reply.set(Ok(effects));
        Ok(())
    }
}

/// The executions that commands change, in order.
fn recorded<R>(commands: &[Command<R>]) -> Vec<Value> {
    let mut ids: Vec<&Arc<str>> = commands
        .iter()
        .filter_map(|command| match command {
            Command::Record(record) => Some(&record.id),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(|id| Value::Text(id.clone())).collect()
}
