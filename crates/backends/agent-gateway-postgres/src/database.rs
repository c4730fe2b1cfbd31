//! The port of the shared stores: reads go to the pool, writes to the writer.
use std::time::Duration;

use agent_gateway_core::Result;
use agent_gateway_sql::{Database, Effect, Grouped, Names, Statement, Syntax, Writer};
use async_trait::async_trait;
use sqlx::{PgPool, postgres::PgRow};

use crate::{
    error::{Cause, convert, silent},
    open::Member,
    row::{Row, arguments},
    statement::{self, Plan},
};

const OPERATION: &str = "postgres.read";
/// How long a read may take, with the wait for a connection.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

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
        let rows = match tokio::time::timeout(time, fetch(pool, statement)).await {
            Ok(rows) => rows?,
            Err(_) => return Err(silent(OPERATION)),
        };
        Ok(rows.into_iter().map(Row).collect())
    }
}

/// Few reads are slow, and which they are is seen only then: those begin again with more time.
async fn fetch(pool: &PgPool, statement: Statement) -> Result<Vec<PgRow>> {
    let Statement { text, args, .. } = statement;
    let read = statement::Statement { operation: OPERATION, text, plan: Plan::Kept };
    let args = || arguments(&args).map_err(|error| convert(OPERATION, error));
    match read.repeat(pool, args).await {
        Err(failed) if failed.cause == Cause::Slow => Ok(read.run_long(pool, args()?).await?),
        rows => Ok(rows?),
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
