//! Taking over the tables that the reference left.
use agent_gateway_core::{Error, Result};
use agent_gateway_sql::{
    Names,
    schema::{Dialect, adoption},
};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::prepare::{OPERATION, failed};

/// Where tables are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'p> {
    pub(crate) names: &'p Names,
    pub(crate) schema: &'p str,
}

impl Place<'_> {
    /// Whether there are tables that this crate's migrations have not seen yet.
    pub(crate) async fn is_anothers(self, connection: &mut PgConnection) -> Result<bool> {
        let ours = self.columns(connection, "agw_migrations").await?;
        Ok(ours.is_empty() && !self.columns(connection, "executions").await?.is_empty())
    }

    /// Gives the reference's tables what ours have, before the migrations. Tables of somebody else are `Misconfigured`.
    pub(crate) async fn adopt(self, connection: &mut PgConnection) -> Result<()> {
        let executions = self.columns(connection, "executions").await?;
        let lacking = adoption::RECOGNISED_BY.iter().find(|column| !executions.iter().any(|c| c == *column));
        if let Some(lacking) = lacking {
            return Err(Error::misconfigured(
                "the schema has a table `executions` that is not an agent gateway's: set another schema or a table_prefix",
            )
            .during(OPERATION)
            .with("lacking column", lacking));
        }
        for missing in adoption::COLUMNS {
            let present = self.columns(connection, missing.table).await?;
            if !present.is_empty() && !present.iter().any(|column| column == missing.column) {
                let table = self.names.table(missing.table);
                let definition = Dialect::POSTGRES.fill(missing.definition);
                run(connection, format!("ALTER TABLE {table} ADD COLUMN {} {definition}", missing.column))
                    .await?;
            }
        }
        self.correct(connection, adoption::POSTGRES_CORRECTIONS).await
    }

    /// Moves rows into tables that the migrations may have made.
    pub(crate) async fn move_rows(self, connection: &mut PgConnection) -> Result<()> {
        self.correct(connection, adoption::POSTGRES_MOVES).await
    }

    async fn correct(
        self,
        connection: &mut PgConnection,
        corrections: &[adoption::Correction],
    ) -> Result<()> {
        for correction in corrections {
            if !self.columns(connection, correction.table).await?.is_empty() {
                run(connection, correction.text(self.names).to_string()).await?;
            }
        }
        Ok(())
    }

    /// The columns of a table or view, none when there is no such thing.
    async fn columns(self, connection: &mut PgConnection, table: &str) -> Result<Vec<String>> {
        let text = "SELECT attname::text FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid \
                    JOIN pg_namespace ON pg_namespace.oid = relnamespace \
                    WHERE nspname = $1 AND relname = $2 AND attnum > 0 AND NOT attisdropped";
        let found = sqlx::query(text).bind(self.schema).bind(self.names.bare_table(table));
        let rows = found.fetch_all(connection).await.map_err(failed)?;
        rows.iter().map(|row| row.try_get(0).map_err(failed)).collect()
    }
}

async fn run(connection: &mut PgConnection, text: String) -> Result<()> {
    sqlx::query(AssertSqlSafe(text)).execute(connection).await.map(drop).map_err(failed)
}
