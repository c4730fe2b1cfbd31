//! Changes of stored executions and their logs: one statement reads the states, and one each writes the starts, the ends
//! and the log entries of all.
use std::{collections::HashMap, sync::Arc};

use agent_gateway_core::{
    Result,
    execution::{Cursor, ExecutionStatus, Fence},
};
use agent_gateway_sql::{Names, RowExt, Value, executions::FINISH_COLUMNS, log::COLUMNS as LOG_COLUMNS};

use super::{
    batch::unreadable,
    bulk::Bulk,
    command::{Change, Entry, Record, Recorded},
    engine::Engine,
};
use crate::row::Row;

#[derive(Debug)]
pub(super) struct RecordTexts(Arc<Texts>);

#[derive(Debug)]
struct Texts {
    states: Bulk,
    start: Bulk,
    finish: Bulk,
    append: Bulk,
}

impl RecordTexts {
    pub(super) fn new(names: &Names) -> Self {
        let states = Bulk::new(1, |rows| {
            names.fill(&format!(
                "SELECT id, status, fence, (SELECT max(sequence) FROM {{p}}execution_log WHERE execution_id = id) \
                 AS last FROM {{p}}executions WHERE id IN (VALUES {rows})"
            ))
        });
        let start = Bulk::new(3, |rows| {
            names.fill(&format!(
                "UPDATE {{p}}executions SET status = 'running', fence = change.column2, \
                 started_at = coalesce(started_at, change.column3) FROM (VALUES {rows}) AS change \
                 WHERE id = change.column1"
            ))
        });
        let set = FINISH_COLUMNS.iter().zip(1..).skip(1);
        let set: Vec<String> =
            set.map(|(column, place)| format!("{column} = change.column{place}")).collect();
        let finish = Bulk::new(FINISH_COLUMNS.len(), |rows| {
            names.fill(&format!(
                "UPDATE {{p}}executions SET {} FROM (VALUES {rows}) AS change WHERE id = change.column1",
                set.join(", ")
            ))
        });
        let append = Bulk::new(LOG_COLUMNS.len(), |rows| {
            names.fill(&format!(
                "INSERT INTO {{p}}execution_log ({}) SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL",
                LOG_COLUMNS.join(", ")
            ))
        });
        Self(Arc::new(Texts { states, start, finish, append }))
    }
}

/// What is stored of an execution now.
struct State {
    status: ExecutionStatus,
    fence: Fence,
    end: Cursor,
}

/// The rows that a run of changes writes.
#[derive(Default)]
struct Rows<'r> {
    starts: Vec<&'r [Value]>,
    finishes: Vec<&'r [Value]>,
    entries: Vec<&'r [Value]>,
}

impl Engine {
    /// Makes the changes that the stored states allow. No execution occurs twice among them.
    pub(super) async fn record(&mut self, records: Vec<&mut Record>) -> Result<(), sqlx::Error> {
        if records.is_empty() {
            return Ok(());
        }
        let texts = self.record_texts.0.clone();
        let ids: Vec<Value> = records.iter().map(|record| Value::Text(record.id.clone())).collect();
        let ids: Vec<&[Value]> = ids.iter().map(std::slice::from_ref).collect();
        let mut states = HashMap::with_capacity(records.len());
        for row in self.write_rows(&texts.states, &ids).await? {
            let (id, state) = state(&row).map_err(unreadable)?;
            states.insert(id, state);
        }
        let mut rows = Rows::default();
        for record in records {
            let Record { id, fence, change, reply } = record;
            reply.set(decide(states.get(&**id), *fence, change, &mut rows));
        }
        self.write_rows(&texts.start, &rows.starts).await?;
        self.write_rows(&texts.append, &rows.entries).await?;
        self.write_rows(&texts.finish, &rows.finishes).await?;
        Ok(())
    }

    async fn write_rows(&mut self, bulk: &Bulk, rows: &[&[Value]]) -> Result<Vec<Row>, sqlx::Error> {
        let mut found = Vec::new();
        for (text, args) in bulk.statements(rows)? {
            found.extend(self.execute(text, args).await?.rows);
        }
        Ok(found)
    }
}

fn state(row: &Row) -> Result<(String, State)> {
    let status = ExecutionStatus::parse(&row.need_text("status")?)?;
    let (fence, end) = (Fence(row.count("fence")?), Cursor(row.count("last")?));
    Ok((row.need_text("id")?, State { status, fence, end }))
}

/// Compares a change with what is stored, and adds its rows where it may happen.
fn decide<'r>(
    state: Option<&State>,
    fence: Fence,
    change: &'r Change,
    rows: &mut Rows<'r>,
) -> Result<Recorded> {
    let Some(state) = state else { return Ok(Recorded::Unknown) };
    let allowed = !state.status.is_final()
        && match change {
            Change::Start { fence: new, .. } => *new > state.fence,
            Change::Finish { .. } | Change::Append { .. } => fence == state.fence,
        };
    if !allowed {
        return Ok(Recorded::Refused { status: state.status, fence: state.fence });
    }
    match change {
        Change::Start { row, .. } => {
            rows.starts.push(row);
            Ok(Recorded::Applied(state.end))
        }
        Change::Finish { row, entries } => {
            let end = append(state.end, entries, rows)?;
            rows.finishes.push(row);
            Ok(Recorded::Applied(end))
        }
        Change::Append { entries } => append(state.end, entries, rows).map(Recorded::Applied),
    }
}

fn append<'r>(end: Cursor, entries: &'r [Entry], rows: &mut Rows<'r>) -> Result<Cursor> {
    let stored = end.already_stored(entries.iter().map(|entry| entry.place))?;
    let fresh = &entries[stored..];
    rows.entries.extend(fresh.iter().map(|entry| entry.row.as_slice()));
    Ok(fresh.last().map_or(end, |entry| entry.place))
}
