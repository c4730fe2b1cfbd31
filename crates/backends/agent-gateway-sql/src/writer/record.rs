//! Changes of stored executions and their logs: one statement reads the states, and one each writes the starts, the ends
//! and the log entries of all.
use std::collections::HashMap;

use agent_gateway_core::{
    Result,
    execution::{Cursor, ExecutionStatus, Fence},
};

use super::{
    command::{Change, Entry, Record, Recorded},
    driver::{Driver, Failure},
    engine::Engine,
};
use crate::{Columns, RowExt, Value};

/// What is stored of an execution now.
struct State {
    status: ExecutionStatus,
    fence: Fence,
    end: Cursor,
    /// Whether there is a draft.
    drafted: bool,
    /// Whether somebody is asked for something.
    asked: bool,
}

impl State {
    /// Whether a change that this attempt asks for may happen.
    fn allows(&self, fence: Fence, change: &Change) -> bool {
        match change {
            Change::Start { fence: new, .. } => {
                let waits = matches!(self.status, ExecutionStatus::Queued | ExecutionStatus::Running);
                waits && *new > self.fence
            }
            Change::Suspend { .. } => self.status == ExecutionStatus::Running && fence == self.fence,
            Change::Resume { .. } => self.status == ExecutionStatus::Suspended && fence == self.fence,
            Change::Finish { .. } | Change::Append { .. } | Change::Draft { .. } => {
                !self.status.is_final() && fence == self.fence
            }
        }
    }
}

/// The rows that a run of changes writes.
#[derive(Default)]
struct Rows<'r> {
    starts: Vec<&'r [Value]>,
    suspensions: Vec<&'r [Value]>,
    resumptions: Vec<&'r [Value]>,
    finishes: Vec<&'r [Value]>,
    approvals: Vec<&'r [Value]>,
    /// The executions whose pending approvals go.
    withdrawn: Vec<&'r [Value]>,
    entries: Vec<&'r [Value]>,
    pieces: Vec<&'r [Value]>,
    /// The executions whose draft goes.
    undrafted: Vec<&'r [Value]>,
    messages: Vec<&'r [Value]>,
    growths: Vec<&'r [Value]>,
}

impl<D: Driver> Engine<D> {
    /// Makes the changes that the stored states allow. No execution occurs twice among them.
    pub(super) async fn record(&mut self, records: Vec<&mut Record>) -> Result<(), Failure> {
        if records.is_empty() {
            return Ok(());
        }
        let texts = self.record_texts.clone();
        let ids: Vec<Value> = records.iter().map(|record| Value::Text(record.id.clone())).collect();
        let ids: Vec<&[Value]> = ids.iter().map(std::slice::from_ref).collect();
        let mut states = HashMap::with_capacity(records.len());
        for row in self.write_rows(&texts.states, &ids).await? {
            let (id, state) = state(&row).map_err(Failure::unreadable)?;
            states.insert(id, state);
        }
        let mut rows = Rows::default();
        for (record, key) in records.into_iter().zip(&ids) {
            let Record { id, fence, change, reply } = record;
            reply.set(decide(states.get(&**id), key, *fence, change, &mut rows));
        }
        self.write_rows(&texts.start, &rows.starts).await?;
        self.write_rows(&texts.suspend, &rows.suspensions).await?;
        self.write_rows(&texts.resume, &rows.resumptions).await?;
        self.write_rows(&texts.ask, &rows.approvals).await?;
        self.write_rows(&texts.withdraw, &rows.withdrawn).await?;
        self.write_rows(&texts.undraft, &rows.undrafted).await?;
        self.write_rows(&texts.append, &rows.entries).await?;
        self.write_rows(&texts.draft, &rows.pieces).await?;
        // Messages are counted after all of them are placed.
        self.write_rows(&texts.say, &rows.messages).await?;
        self.write_rows(&texts.grow, &rows.growths).await?;
        self.write_rows(&texts.finish, &rows.finishes).await?;
        Ok(())
    }
}

fn state<R: Columns>(row: &R) -> Result<(String, State)> {
    let status = ExecutionStatus::parse(&row.need_text("status")?)?;
    let (fence, end) = (Fence(row.count("fence")?), Cursor(row.count("last")?));
    let drafted = row.flag("drafted")?.unwrap_or_default();
    let asked = row.flag("asked")?.unwrap_or_default();
    Ok((row.need_text("id")?, State { status, fence, end, drafted, asked }))
}

/// Compares a change with what is stored, and adds its rows where it may happen.
fn decide<'r>(
    state: Option<&State>,
    key: &'r [Value],
    fence: Fence,
    change: &'r Change,
    rows: &mut Rows<'r>,
) -> Result<Recorded> {
    let Some(state) = state else { return Ok(Recorded::Unknown) };
    if !state.allows(fence, change) {
        return Ok(Recorded::Refused { status: state.status, fence: state.fence });
    }
    let end = match change {
        Change::Start { row, .. } => {
            rows.starts.push(row);
            state.end
        }
        Change::Suspend { row, entries, approvals } => {
            let end = append(state.end, entries, rows)?;
            rows.suspensions.push(row);
            rows.approvals.extend(approvals.iter().map(Vec::as_slice));
            end
        }
        Change::Resume { row } => {
            rows.resumptions.push(row);
            state.end
        }
        Change::Finish { row, entries, said } => {
            let end = append(state.end, entries, rows)?;
            rows.finishes.push(row);
            if state.asked {
                rows.withdrawn.push(key);
            }
            if let Some(said) = said {
                rows.messages.extend(said.messages.iter().map(Vec::as_slice));
                rows.growths.push(&said.growth);
            }
            end
        }
        Change::Append { entries } => append(state.end, entries, rows)?,
        Change::Draft { after, row } => {
            // A piece behind another entry is one of a turn that is whole by now.
            if *after == state.end {
                rows.pieces.push(row);
            }
            state.end
        }
    };
    let rests = matches!(change, Change::Suspend { .. } | Change::Finish { .. });
    if state.drafted && (end != state.end || rests) {
        rows.undrafted.push(key);
    }
    Ok(Recorded::Applied(end))
}

fn append<'r>(end: Cursor, entries: &'r [Entry], rows: &mut Rows<'r>) -> Result<Cursor> {
    let stored = end.already_stored(entries.iter().map(|entry| entry.place))?;
    let fresh = &entries[stored..];
    rows.entries.extend(fresh.iter().map(|entry| entry.row.as_slice()));
    Ok(fresh.last().map_or(end, |entry| entry.place))
}
