//! The processes that are alive, as rows of `instances`, and the executions that those that are not left behind.
use agent_gateway_core::{
    Result, Timestamp,
    execution::Execution,
    id::{ExecutionId, InstanceId},
};

use crate::{
    Column, Database, RowExt, Statement,
    executions::{COLUMNS, read_row},
};

/// Says that a process is alive until `until`.
pub async fn announce<D: Database>(database: &D, instance: &InstanceId, until: Timestamp) -> Result<()> {
    let text = "INSERT INTO {p}instances (id, alive_until) VALUES ($1, $2) \
                ON CONFLICT (id) DO UPDATE SET alive_until = excluded.alive_until";
    write(database, text, vec![instance.as_str().into(), until.into()]).await
}

/// The processes that said that they are alive.
pub async fn instances<D: Database>(database: &D) -> Result<Vec<(InstanceId, Timestamp)>> {
    let text = "SELECT id, alive_until FROM {p}instances ORDER BY id";
    let rows = database.read(Statement::new(database.names(), text, Vec::new())).await?;
    rows.iter().map(|row| Ok((row.need_word("id")?, row.need_time("alive_until")?))).collect()
}

/// Forgets a process.
pub async fn retire<D: Database>(database: &D, instance: &InstanceId) -> Result<()> {
    write(database, "DELETE FROM {p}instances WHERE id = $1", vec![instance.as_str().into()]).await
}

/// How many executions one statement hands over; a text of one size is prepared once.
const HANDED: usize = 50;

/// Lets the queue see to executions of `from` that still wait.
pub async fn hand_over<D: Database>(database: &D, ids: &[ExecutionId], from: &InstanceId) -> Result<()> {
    let places: Vec<String> = (2..HANDED + 2).map(|number| format!("${number}")).collect();
    let text = format!(
        "UPDATE {{p}}executions SET instance = NULL WHERE id IN ({}) AND instance = $1 AND status = 'queued'",
        places.join(", ")
    );
    let statements = ids.chunks(HANDED).filter_map(|chunk| {
        // A shorter list is filled up with its last id.
        let last = chunk.last()?;
        let ids = chunk.iter().chain(std::iter::repeat(last)).take(HANDED);
        let args = std::iter::once(from.as_str().into()).chain(ids.map(|id| id.as_str().into()));
        Some(Statement::new(database.names(), &text, args.collect()))
    });
    let statements: Vec<Statement> = statements.collect();
    if statements.is_empty() { Ok(()) } else { database.write(statements).await.map(drop) }
}

/// At most `limit` unfinished executions whose process is not alive at `now`, oldest first.
pub async fn orphans<D: Database>(database: &D, now: Timestamp, limit: u32) -> Result<Vec<Execution>> {
    // Begins with the processes that have executions, which are few; the index on `instance` leaves out all others.
    let text = format!(
        "SELECT {} FROM {{p}}executions WHERE instance IN (\
         SELECT instance FROM {{p}}executions WHERE instance IS NOT NULL \
         EXCEPT SELECT id FROM {{p}}instances WHERE alive_until >= $1) \
         AND status IN ('queued', 'running') ORDER BY created_at, id LIMIT $2",
        Column::list(&COLUMNS)
    );
    let statement = Statement::new(database.names(), &text, vec![now.into(), limit.into()]);
    let rows = database.read(statement).await?;
    let read = rows.iter().filter_map(|row| match read_row(row) {
        Ok(orphan) => Some(orphan),
        Err(error) => {
            // One that only another release can read must not keep the others waiting.
            tracing::warn!(error = ?error, "an interrupted execution cannot be read and is left alone");
            None
        }
    });
    Ok(read.collect())
}

async fn write<D: Database>(database: &D, text: &str, args: Vec<crate::Value>) -> Result<()> {
    database.write(vec![Statement::new(database.names(), text, args)]).await.map(drop)
}
