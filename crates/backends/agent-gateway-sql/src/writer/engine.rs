//! Transactions: begin, run a batch, commit, and what happens when that fails.
use std::sync::Arc;

use super::{
    bulk::Bulk,
    command::Command,
    create::CreateTexts,
    driver::{Driver, Failure, Reach},
    texts::RecordTexts,
};
use crate::{Names, Value};

/// How often a transaction is tried that something passing stopped.
const ATTEMPTS: u32 = 4;

/// The connection that writes, and the statements of the hot path.
#[derive(Debug)]
pub(super) struct Engine<D> {
    pub(super) driver: D,
    pub(super) create_texts: CreateTexts,
    pub(super) record_texts: Arc<RecordTexts>,
}

impl<D: Driver> Engine<D> {
    pub(super) fn new(driver: D, names: &Names) -> Self {
        let syntax = driver.syntax();
        Self {
            create_texts: CreateTexts::new(names, syntax),
            record_texts: Arc::new(RecordTexts::new(names, syntax)),
            driver,
        }
    }

    /// Runs commands in one transaction and answers them.
    ///
    /// A failure that is not that of all undoes the batch and runs every command by itself, so that it harms only its own.
    pub(super) async fn run(&mut self, mut commands: Vec<Command<D::Row>>) {
        if commands.is_empty() {
            return;
        }
        match self.transact(&mut commands).await {
            Ok(()) => commands.into_iter().for_each(|command| command.settle(Ok(()))),
            Err(failure) if commands.len() > 1 && failure.reach != Reach::Everything => {
                let error = &failure.error;
                tracing::warn!(%error, commands = commands.len(), "a batch of writes is repeated one by one");
                self.run_one_by_one(commands).await;
            }
            Err(Failure { error, .. }) => {
                tracing::error!(%error, commands = commands.len(), "a batch of writes failed");
                commands.into_iter().for_each(|command| command.settle(Err(&error)));
            }
        }
    }

    /// Once nothing can be written, the commands that are left are not tried: each would wait as long as the first.
    async fn run_one_by_one(&mut self, commands: Vec<Command<D::Row>>) {
        let mut over = None;
        for mut command in commands {
            if over.is_none() {
                match self.transact(std::slice::from_mut(&mut command)).await {
                    Ok(()) => command.settle(Ok(())),
                    Err(Failure { reach: Reach::Everything, error }) => {
                        command.settle(Err(&error));
                        over = Some(error);
                    }
                    Err(Failure { error, .. }) => command.settle(Err(&error)),
                }
            } else {
                command.settle(over.as_ref().map_or(Ok(()), Err));
            }
        }
    }

    /// Makes the schema.
    pub(super) async fn prepare(&mut self, mut command: Command<D::Row>) {
        if let Command::Prepare(reply) = &mut command {
            reply.set(self.driver.prepare().await);
        }
        command.settle(Ok(()));
    }

    pub(super) async fn close(self) {
        self.driver.close().await;
    }

    /// Runs commands in one transaction, again when something passing stopped it.
    async fn transact(&mut self, commands: &mut [Command<D::Row>]) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            match self.attempt(commands).await {
                Err(Failure { reach: Reach::Passing, error }) if attempt < ATTEMPTS => {
                    tracing::debug!(%error, attempt, commands = commands.len(), "a batch of writes is repeated");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&mut self, commands: &mut [Command<D::Row>]) -> Result<(), Failure> {
        self.driver.begin().await?;
        let run = match self.run_batch(commands).await {
            Ok(()) => self.driver.commit().await,
            Err(failure) => Err(failure),
        };
        if run.is_err() {
            self.driver.rollback().await;
        }
        run
    }

    pub(super) async fn write_rows(
        &mut self,
        bulk: &Bulk,
        rows: &[&[Value]],
    ) -> Result<Vec<D::Row>, Failure> {
        let mut found = Vec::new();
        for (text, rows) in bulk.statements(rows) {
            found.extend(self.driver.run_rows(text, bulk.kinds(), rows).await?.rows);
        }
        Ok(found)
    }
}
