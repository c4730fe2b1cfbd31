//! Making the schema, also over tables that the reference left.
use agent_gateway_core::{Error, Result};
use agent_gateway_sql::{
    Columns, Names, Value,
    schema::{Dialect, adoption, migrations},
};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, migrate::MigrateError, query};

use crate::{
    connect::BUSY_ATTEMPTS,
    error::{Code, code, convert_early},
    row::{Row, arguments},
};

const OPERATION: &str = "sqlite.prepare";

/// Creates or migrates everything in one transaction, which other processes wait for.
pub(crate) async fn prepare(connection: &mut SqliteConnection, names: &Names) -> Result<()> {
    let mut attempt = 1;
    let mut transaction = loop {
        match connection.begin_with("BEGIN IMMEDIATE").await {
            Ok(transaction) => break transaction,
            Err(error) if code(&error) == Some(Code::Busy) && attempt < BUSY_ATTEMPTS => attempt += 1,
            Err(error) => return Err(convert_early(OPERATION, error)),
        }
    };
    let ours = has_table(&mut transaction, &names.bare_table("agw_migrations")).await?;
    if !ours && has_table(&mut transaction, &names.bare_table("executions")).await? {
        adopt(&mut transaction, names).await?;
    }
    migrate(&mut transaction, names).await?;
    transaction.commit().await.map_err(|error| convert_early(OPERATION, error))
}

async fn adopt(connection: &mut SqliteConnection, names: &Names) -> Result<()> {
    let executions = columns(connection, &names.bare_table("executions")).await?;
    if let Some(lacking) =
        adoption::RECOGNISED_BY.iter().find(|column| !executions.iter().any(|c| c == *column))
    {
        return Err(Error::misconfigured(
            "the database has a table `executions` that is not an agent gateway's: set another file or a table_prefix",
        )
        .during(OPERATION)
        .with("lacking column", lacking));
    }
    for missing in adoption::COLUMNS {
        let present = columns(connection, &names.bare_table(missing.table)).await?;
        if !present.is_empty() && !present.iter().any(|column| column == missing.column) {
            let table = names.table(missing.table);
            let definition = Dialect::SQLITE.fill(missing.definition);
            let text = format!("ALTER TABLE {table} ADD COLUMN {} {definition}", missing.column);
            run(connection, text).await?;
        }
    }
    correct(connection, names, adoption::SQLITE_CORRECTIONS).await?;
    migrate(connection, names).await?;
    correct(connection, names, adoption::SQLITE_MOVES).await
}

async fn correct(
    connection: &mut SqliteConnection,
    names: &Names,
    corrections: &[adoption::Correction],
) -> Result<()> {
    for correction in corrections {
        if has_table(connection, &names.bare_table(correction.table)).await? {
            run(connection, correction.text(names).to_string()).await?;
        }
    }
    Ok(())
}

/// Runs the migrations that have not run. `run_direct` is what `Migrator::run` calls for any kind of connection; only this
/// one can be part of a future that moves between threads.
async fn migrate(connection: &mut SqliteConnection, names: &Names) -> Result<()> {
    let migrator = migrations(names, &Dialect::SQLITE);
    migrator.run_direct(None, connection, false).await.map_err(explain)
}

async fn run(connection: &mut SqliteConnection, text: String) -> Result<()> {
    match query(AssertSqlSafe(text)).execute(connection).await {
        Ok(_) => Ok(()),
        Err(error) => Err(convert_early(OPERATION, error)),
    }
}

async fn has_table(connection: &mut SqliteConnection, name: &str) -> Result<bool> {
    Ok(!columns(connection, name).await?.is_empty())
}

/// The columns of a table or view, none when there is no such thing.
async fn columns(connection: &mut SqliteConnection, table: &str) -> Result<Vec<String>> {
    let failed = |error| convert_early(OPERATION, error);
    let args = arguments(&[Value::from(table)]).map_err(failed)?;
    let found = sqlx::query_with("SELECT name FROM pragma_table_info($1)", args);
    let rows = found.fetch_all(connection).await.map_err(failed)?;
    rows.into_iter().filter_map(|row| Row(row).text("name").transpose()).collect()
}

fn explain(error: MigrateError) -> Error {
    let explained = match error {
        MigrateError::VersionMissing(version) => Error::misconfigured(
            "the database was made by a newer agent-gateway: run that version, or restore an older backup",
        )
        .with("unknown migration", version),
        MigrateError::VersionMismatch(version) => Error::misconfigured(
            "the database was made by another build of agent-gateway: run that build, or restore a backup",
        )
        .with("differing migration", version),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            return convert_early(OPERATION, error);
        }
        other => Error::unexpected("the database could not be migrated").caused_by(other),
    };
    explained.during(OPERATION)
}
