//! The port of the shared stores: reads go to the pool, writes to the writer.
use std::time::Duration;

use agent_gateway_core::{Error, ErrorKind, Result};
use agent_gateway_sql::{Database, Effect, Grouped, Names, Statement, Syntax, Writer};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    connect,
    error::{Cause, cause, convert},
    open::Member,
    row::{Row, arguments},
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
        match tokio::time::timeout(time, fetch(pool, &statement)).await {
            Ok(rows) => rows,
            Err(_) => {
                Err(Error::new(ErrorKind::Unavailable, "the database did not answer in time")
                    .during(OPERATION))
            }
        }
    }
}

/// A connection that was used a moment ago may be gone, as all of them are when a server restarts; then another one is asked
/// whether it lives before it reads.
async fn fetch(pool: &PgPool, statement: &Statement) -> Result<Vec<Row>> {
    let failed = |error| convert(OPERATION, error);
    let text = || AssertSqlSafe(statement.text.clone());
    let args = arguments(&statement.args).map_err(failed)?;
    let rows = match sqlx::query_with(text(), args).fetch_all(pool).await {
        Err(error) if cause(&error) == Cause::Lost => {
            let mut connection = connect::living(pool).await.map_err(failed)?;
            let args = arguments(&statement.args).map_err(failed)?;
            sqlx::query_with(text(), args).fetch_all(&mut *connection).await
        }
        rows => rows,
    };
    Ok(rows.map_err(failed)?.into_iter().map(Row).collect())
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
