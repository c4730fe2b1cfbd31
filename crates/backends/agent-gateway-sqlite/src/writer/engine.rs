//! Transactions: begin, run a batch, commit, and what happens when that fails.
use std::sync::Arc;

use agent_gateway_core::Result;
use agent_gateway_sql::{Effect, Names};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Either, Executor, SqliteConnection, sqlite::SqliteArguments};

use super::{command::Command, create::CreateTexts, texts::RecordTexts};
use crate::{
    connect::BUSY_ATTEMPTS,
    error::{Code, code, convert, is_of_statement},
    prepare::prepare,
    row::Row,
};

/// The connection that writes, and the statements of the hot path.
#[derive(Debug)]
pub(super) struct Engine {
    connection: SqliteConnection,
    names: Names,
    pub(super) create_texts: CreateTexts,
    pub(super) record_texts: Arc<RecordTexts>,
}

impl Engine {
    pub(super) fn new(connection: SqliteConnection, names: Names) -> Self {
        Self {
            create_texts: CreateTexts::new(&names),
            record_texts: Arc::new(RecordTexts::new(&names)),
            connection,
            names,
        }
    }

    /// Runs commands in one transaction and answers them.
    ///
    /// A failure of one statement alone undoes the batch and runs every command by itself, so that it harms only its own;
    /// any other failure is that of all.
    pub(super) async fn run(&mut self, mut commands: Vec<Command>) {
        if commands.is_empty() {
            return;
        }
        match self.transact(&mut commands).await {
            Ok(()) => commands.into_iter().for_each(|command| command.settle(Ok(()))),
            Err(error) if commands.len() > 1 && is_of_statement(&error) => {
                tracing::warn!(%error, commands = commands.len(), "a batch of writes is repeated one by one");
                for mut command in commands {
                    let outcome = self.transact(std::slice::from_mut(&mut command)).await;
                    let outcome = outcome.map_err(|error| convert("sqlite.write", error));
                    command.settle(outcome.as_ref().copied());
                }
            }
            Err(error) => {
                tracing::error!(%error, commands = commands.len(), "a batch of writes failed");
                let error = convert("sqlite.write", error);
                commands.into_iter().for_each(|command| command.settle(Err(&error)));
            }
        }
    }

    /// Makes the schema.
    pub(super) async fn prepare(&mut self, mut command: Command) {
        if let Command::Prepare(reply) = &mut command {
            reply.set(prepare(&mut self.connection, &self.names).await);
        }
        command.settle(Ok(()));
    }

    /// Moves the log of commits into the database and closes the connection. What cannot be moved now is moved by the next
    /// process that opens the file.
    pub(super) async fn close(mut self) {
        let checkpoint = self.execute_text("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let closed = self.connection.close().await;
        if let Some(error) = checkpoint.err().or(closed.err()) {
            tracing::warn!(%error, "the database was closed without a checkpoint");
        }
    }

    async fn transact(&mut self, commands: &mut [Command]) -> Result<(), sqlx::Error> {
        self.begin().await?;
        let run = match self.run_batch(commands).await {
            Ok(()) => self.execute_text("COMMIT").await,
            Err(error) => Err(error),
        };
        if run.is_err() {
            // After some failures SQLite has rolled back already, and there is nothing left to undo.
            let _ = self.execute_text("ROLLBACK").await;
        }
        run
    }

    /// Takes the lock for writing at once, so that nothing of a batch can run into another process's commit.
    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        let mut attempt = 1;
        loop {
            match self.execute_text("BEGIN IMMEDIATE").await {
                Err(error) if code(&error) == Some(Code::Busy) && attempt < BUSY_ATTEMPTS => attempt += 1,
                begun => return begun,
            }
        }
    }

    pub(super) async fn execute_text(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(text).execute(&mut self.connection).await.map(drop)
    }

    /// Runs one statement and collects what it did.
    pub(super) async fn execute(
        &mut self,
        text: Arc<str>,
        args: SqliteArguments,
    ) -> Result<Effect<Row>, sqlx::Error> {
        let mut results = self.connection.fetch_many(sqlx::query_with(AssertSqlSafe(text), args));
        let mut effect = Effect { affected: 0, rows: Vec::new() };
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Left(done) => effect.affected += done.rows_affected(),
                Either::Right(row) => effect.rows.push(Row(row)),
            }
        }
        Ok(effect)
    }
}
