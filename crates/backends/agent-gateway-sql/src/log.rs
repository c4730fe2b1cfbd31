//! The run log as rows of `execution_log`.
use agent_gateway_core::{
    Error, Result,
    execution::{Cursor, LogEntry},
    id::ExecutionId,
};

use crate::{Column, Database, Kind, RowExt, Statement, Value};

/// The columns of `execution_log`, in the order of [`entry_row`].
pub const COLUMNS: [Column; 5] = [
    Column::new("execution_id", Kind::Text),
    Column::new("sequence", Kind::Int),
    Column::new("kind", Kind::Text),
    Column::new("data", Kind::Json),
    Column::new("created_at", Kind::Time),
];

/// The values of one entry.
pub fn entry_row(id: &ExecutionId, entry: &LogEntry) -> Result<Vec<Value>> {
    Ok(vec![
        id.as_str().into(),
        Value::number(entry.sequence.0)?,
        entry.event.kind().into(),
        Value::json(&entry.event)?,
        entry.at.into(),
    ])
}

/// At most `limit` entries behind `after`, in order.
pub async fn read<D: Database>(
    database: &D,
    id: &ExecutionId,
    after: Cursor,
    limit: u32,
) -> Result<Vec<LogEntry>> {
    let behind = i64::try_from(after.0).unwrap_or(i64::MAX);
    let statement = Statement::new(
        database.names(),
        "SELECT sequence, data, created_at FROM {p}execution_log \
         WHERE execution_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        vec![id.as_str().into(), Value::Int(behind), limit.into()],
    );
    database.read(statement).await?.iter().map(entry).collect()
}

fn entry<R: RowExt>(row: &R) -> Result<LogEntry> {
    let event = row.json("data")?.ok_or_else(|| Error::unexpected("a stored log entry is empty"))?;
    Ok(LogEntry { sequence: Cursor(row.count("sequence")?), at: row.need_time("created_at")?, event })
}
