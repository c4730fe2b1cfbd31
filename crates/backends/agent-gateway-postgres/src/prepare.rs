//! Making the schema, by one process at a time.
use std::time::Duration;

use agent_gateway_core::{Error, Result};
use agent_gateway_sql::{
    Names,
    schema::{Dialect, migrations},
};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row,
    migrate::{MigrateError, Migrator},
};

use crate::{
    PostgresConfig,
    adopt::Place,
    connect,
    error::{Cause, cause, convert, silent},
};

pub(crate) const OPERATION: &str = "postgres.prepare";

/// How long another process's migration is waited for.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '60s'; SET statement_timeout = 0";
/// The same where the server says nothing, not even that it took too long.
const LOCK_PATIENCE: Duration = Duration::from_secs(65);

/// Creates or migrates everything, over a connection of its own: closing that gives the lock up, whatever happened.
pub(crate) async fn prepare(config: &PostgresConfig, names: &Names, schema: &str) -> Result<()> {
    let mut connection = connect::single(OPERATION, config).await?;
    let prepared = locked(&mut connection, names, schema).await;
    connect::dismiss(connection).await;
    prepared.map_err(|error| error.with("database", config.location()).with("schema", schema))
}

/// What the driver says, and what to grant where a right is missing.
pub(crate) fn failed(error: sqlx::Error) -> Error {
    match cause(&error) {
        Cause::Forbidden => convert(OPERATION, error).with(
            "needs",
            "GRANT CREATE ON DATABASE, or GRANT USAGE, CREATE ON SCHEMA where the schema is there",
        ),
        _ => convert(OPERATION, error),
    }
}

async fn locked(connection: &mut PgConnection, names: &Names, schema: &str) -> Result<()> {
    let mut migrator = migrations(names, &Dialect::POSTGRES);
    // The driver's own lock would be one for the whole database, and it keeps it when a migration fails.
    migrator.set_locking(false);
    connect::early(OPERATION, sqlx::raw_sql(LOCK_TIMEOUT).execute(&mut *connection)).await?;
    let lock = async {
        sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))")
            .bind(format!("agent-gateway migrations of {schema}"))
            .execute(&mut *connection)
            .await
            .map(drop)
    };
    waited(lock).await?;
    // Even `IF NOT EXISTS` needs the right to create, which a gateway may do without once everything is there.
    if !connect::early(OPERATION, has_schema(connection, schema)).await? {
        let text = AssertSqlSafe(format!("CREATE SCHEMA \"{}\"", schema.replace('"', "\"\"")));
        sqlx::query(text).execute(&mut *connection).await.map_err(failed)?;
    }
    if waited(is_current(connection, names, &migrator)).await? {
        return Ok(());
    }
    let place = Place { names, schema };
    if !place.is_anothers(connection).await? {
        return migrator.run_direct(None, connection, false).await.map_err(explain);
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    place.adopt(&mut transaction).await?;
    migrator.run_direct(None, &mut *transaction, false).await.map_err(explain)?;
    place.move_rows(&mut transaction).await?;
    transaction.commit().await.map_err(failed)
}

/// A wait for a lock that somebody else may hold, with an end.
async fn waited<T>(wait: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T> {
    match tokio::time::timeout(LOCK_PATIENCE, wait).await {
        Ok(outcome) => outcome.map_err(failed),
        Err(_) => Err(silent(OPERATION)),
    }
}

async fn has_schema(connection: &mut PgConnection, schema: &str) -> Result<bool, sqlx::Error> {
    sqlx::query("SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(connection)
        .await?
        .try_get(0)
}

/// Whether exactly these migrations have run.
async fn is_current(
    connection: &mut PgConnection,
    names: &Names,
    migrator: &Migrator,
) -> Result<bool, sqlx::Error> {
    let text = AssertSqlSafe(format!(
        "SELECT version, checksum, success FROM {} ORDER BY version",
        names.migrations()
    ));
    let rows = match sqlx::query(text).fetch_all(connection).await {
        Ok(rows) => rows,
        Err(error) if cause(&error) == Cause::NoTable => return Ok(false),
        Err(error) => return Err(error),
    };
    if rows.len() != migrator.iter().count() {
        return Ok(false);
    }
    for (row, migration) in rows.iter().zip(migrator.iter()) {
        let checksum: Vec<u8> = row.try_get(1)?;
        if row.try_get::<i64, _>(0)? != migration.version
            || *checksum != *migration.checksum
            || !row.try_get::<bool, _>(2)?
        {
            return Ok(false);
        }
    }
    Ok(true)
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
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => return failed(error),
        other => Error::unexpected("the database could not be migrated").caused_by(other),
    };
    explained.during(OPERATION)
}
