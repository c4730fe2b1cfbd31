//! The connection that writes.
use std::sync::Arc;

use agent_gateway_core::Result;
use agent_gateway_sql::{Driver, Effect, Failure, Kind, Names, Reach, Statement, Syntax, Value};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, Either, Executor, SqliteConnection, sqlite::SqliteArguments};

use crate::{
    connect::BUSY_ATTEMPTS,
    error::{Code, code, convert, is_of_statement},
    prepare::prepare,
    row::{Row, arguments},
};

/// The connection that writes.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    connection: SqliteConnection,
    names: Names,
}

impl SqliteDriver {
    pub(crate) fn new(connection: SqliteConnection, names: Names) -> Self {
        Self { connection, names }
    }

    async fn execute_text(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(text).execute(&mut self.connection).await.map(drop)
    }

    async fn execute(&mut self, text: Arc<str>, args: SqliteArguments) -> Result<Effect<Row>, sqlx::Error> {
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

/// A failure of one statement alone leaves the others of a batch unharmed; any other failure is that of all.
fn failed(error: sqlx::Error) -> Failure {
    let reach = if is_of_statement(&error) { Reach::Command } else { Reach::Everything };
    Failure { reach, error: convert("sqlite.write", error) }
}

impl Driver for SqliteDriver {
    type Row = Row;

    fn syntax(&self) -> Syntax {
        Syntax::Sqlite
    }

    /// Takes the lock for writing at once, so that nothing of a batch can run into another process's commit.
    async fn begin(&mut self) -> Result<(), Failure> {
        let mut attempt = 1;
        loop {
            match self.execute_text("BEGIN IMMEDIATE").await {
                Err(error) if code(&error) == Some(Code::Busy) && attempt < BUSY_ATTEMPTS => attempt += 1,
                begun => return begun.map_err(failed),
            }
        }
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        self.execute_text("COMMIT").await.map_err(failed)
    }

    async fn rollback(&mut self) {
        // After some failures SQLite has rolled back already, and there is nothing left to undo.
        let _ = self.execute_text("ROLLBACK").await;
    }

    async fn run(&mut self, statement: &Statement) -> Result<Effect<Row>, Failure> {
        let args = arguments(&statement.args).map_err(failed)?;
        self.execute(statement.text.clone(), args).await.map_err(failed)
    }

    async fn run_rows(
        &mut self,
        text: &Arc<str>,
        _kinds: &[Kind],
        rows: &[&[Value]],
    ) -> Result<Effect<Row>, Failure> {
        let args = arguments(rows.iter().copied().flatten()).map_err(failed)?;
        self.execute(text.clone(), args).await.map_err(failed)
    }

    async fn prepare(&mut self) -> Result<()> {
        prepare(&mut self.connection, &self.names).await
    }

    /// Moves the log of commits into the database and closes the connection. What cannot be moved now is moved by the next
    /// process that opens the file.
    async fn close(mut self) {
        let checkpoint = self.execute_text("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let closed = self.connection.close().await;
        if let Some(error) = checkpoint.err().or(closed.err()) {
            tracing::warn!(%error, "the database was closed without a checkpoint");
        }
    }
}
