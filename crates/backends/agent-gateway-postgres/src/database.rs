//! The port of the shared stores: reads go to the pool, writes to the writer.
use std::time::Duration;

use agent_gateway_core::{Error, ErrorKind, Result};
use agent_gateway_sql::{Database, Effect, Grouped, Names, Statement, Syntax, Writer};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    error::{Cause, cause, convert},
    open::Member,
    row::{Row, arguments},
};

const OPERATION: &str = "postgres.read";
/// How long a read may take, with the wait for a connection.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a read is tried whose connection is gone. When a server restarts, every connection of the pool is.
const ATTEMPTS: u32 = 4;

/// One opened database.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) member: std::sync::Arc<Member>,
    pub(crate) writer: Writer<Row>,
}

impl Connections {
    /// The rows of a reading statement; `Unavailable` when they are not there in time.
    pub(crate) async fn read_within(&self, time: Duration, statement: Statement) -> Result<Vec<Row>> {
        let pool = self.member.pool(OPERATION)?;
        match tokio::time::timeout(time, fetch(pool, &statement)).await {
            Ok(rows) => rows,
            Err(_) => {
                Err(Error::new(ErrorKind::Unavailable, "the database did not answer in time")
                    .during(OPERATION))
            }
        }
    }
}

async fn fetch(pool: &PgPool, statement: &Statement) -> Result<Vec<Row>> {
    let mut attempt = 1;
    loop {
        let args = arguments(&statement.args).map_err(|error| convert(OPERATION, error))?;
        let query = sqlx::query_with(AssertSqlSafe(statement.text.clone()), args);
        match query.fetch_all(pool).await {
            Ok(rows) => return Ok(rows.into_iter().map(Row).collect()),
            Err(error) if cause(&error) == Cause::Lost && attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(convert(OPERATION, error)),
        }
    }
}

#[async_trait]
impl Database for Connections {
    type Row = Row;

    fn names(&self) -> &Names {
        self.member.names()
    }

    fn syntax(&self) -> Syntax {
        Syntax::Postgres
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        self.read_within(READ_TIMEOUT, statement).await
    }

    async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Effect<Row>>> {
        self.writer.program(statements).await
    }
}

impl Grouped for Connections {
    fn writer(&self) -> &Writer<Row> {
        &self.writer
    }
}
