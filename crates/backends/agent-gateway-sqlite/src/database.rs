//! The port of the shared stores: reads go to the readers, writes to the writer.
use agent_gateway_core::Result;
use agent_gateway_sql::{Database, Effect, Grouped, Names, Statement, Syntax, Writer};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, SqlitePool};

use crate::{
    error::convert,
    row::{Row, arguments},
};

/// One opened database.
#[derive(Debug)]
pub(crate) struct Connections {
    pub(crate) names: Names,
    pub(crate) readers: Option<SqlitePool>,
    pub(crate) writer: Writer<Row>,
}

#[async_trait]
impl Database for Connections {
    type Row = Row;

    fn names(&self) -> &Names {
        &self.names
    }

    fn syntax(&self) -> Syntax {
        Syntax::Sqlite
    }

    async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        let Some(readers) = &self.readers else {
            let effects = self.writer.program(vec![statement]).await?;
            return Ok(effects.into_iter().flat_map(|effect| effect.rows).collect());
        };
        let failed = |error| convert("sqlite.read", error);
        let args = arguments(&statement.args).map_err(failed)?;
        let query = sqlx::query_with(AssertSqlSafe(statement.text), args);
        let rows = query.fetch_all(readers).await.map_err(failed)?;
        Ok(rows.into_iter().map(Row).collect())
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
