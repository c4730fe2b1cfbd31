//! The run log: ordered, without gaps, safe to repeat, closed to others.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind, JsonMap,
    execution::{
        Cursor, Fence, LogEntry, LogEvent, ModelTurn, ResetReason, ResultForm, ToolOutcome, ToolTurn,
    },
    id::{ExecutionId, ModelName},
    message::{Arguments, TokenUsage, ToolCall},
    ports::persistence::PersistenceBackend,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{at, finish, object, outcome, running, stored, turn, turns};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, broken, ensure, ensure_eq, expect_kind},
};

/// One entry of every kind, with something in every field.
fn every_kind() -> Result<Vec<LogEntry>, Finding> {
    let call = |id: &str, arguments| ToolCall { id: id.into(), name: "search".into(), arguments };
    let tool = |outcome, cut_from, form| {
        LogEvent::ToolTurn(ToolTurn {
            call_id: "call_1".into(),
            name: "search".into(),
            arguments: Arguments::Object(object(json!({"q": "x", "a": 1}))),
            outcome,
            content: "{\"found\": []}".into(),
            cut_from,
            whole: cut_from.map(|_| "{\"found\": [], \"more\": true}".into()),
            form,
            duration_ms: 12,
            within: None,
        })
    };
    let events = [
        LogEvent::ModelTurn(ModelTurn {
            model: ModelName::new("openai/gpt-5-mini")?,
            text: "I look it up.".into(),
            tool_calls: vec![
                call("call_1", Arguments::Object(JsonMap::new())),
                call("call_2", Arguments::Malformed("{broken".to_owned())),
            ],
            tokens: TokenUsage { input_tokens: 9, output_tokens: 4, cached_input_tokens: 2 },
            cost_usd: Some(0.000_125),
            duration_ms: 340,
            within: None,
        }),
        LogEvent::ToolStarted { call_id: "call_1".into(), name: "search".into() },
        tool(ToolOutcome::Succeeded, Some(40_000), ResultForm::Json),
        tool(ToolOutcome::Failed, None, ResultForm::Text),
        tool(ToolOutcome::Refused, None, ResultForm::Text),
        LogEvent::Reset(ResetReason::Resumed),
        LogEvent::Reset(ResetReason::Fallback),
        LogEvent::Finished(outcome("done")?),
    ];
    (1..)
        .zip(events)
        .map(|(place, event)| Ok(LogEntry { sequence: Cursor(place), at: at(7)?, event }))
        .collect()
}

/// Every kind of entry is kept in full.
pub async fn entries_come_back_in_order(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    let entries = every_kind()?;
    store.executions().append(&id, Fence(1), &entries[..2]).await?;
    store.executions().append(&id, Fence(1), &entries[2..]).await?;
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure_eq!(log, entries, "the log");
    Ok(())
}

/// The answer is the place of the last entry, also when there was nothing to add.
pub async fn an_append_answers_the_end_of_the_log(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    for (places, end) in [(vec![], 0), (vec![1], 1), (vec![2, 3, 4], 4), (vec![], 4)] {
        let answer = store.executions().append(&id, Fence(1), &turns(places.clone())?).await?;
        ensure_eq!(answer, Cursor(end), "the end of the log after {places:?}");
    }
    Ok(())
}

/// Entries that do not continue the log are refused, all of them.
pub async fn a_gap_is_a_conflict(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    store.executions().append(&id, Fence(1), &turns([1, 2])?).await?;
    for places in [vec![4], vec![3, 5], vec![4, 3], vec![0], vec![3, 3]] {
        let gap = store.executions().append(&id, Fence(1), &turns(places.clone())?).await;
        expect_kind(gap, ErrorKind::Conflict, &format!("appending {places:?} to a log of 2"))?;
    }
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure_eq!(log, turns([1, 2])?, "the log after refused entries");
    Ok(())
}

/// An entry that is stored already is skipped, and stays as it was.
pub async fn a_repeated_append_is_harmless(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    store.executions().append(&id, Fence(1), &turns([1, 2])?).await?;
    for entries in [turns([1, 2])?, turns([2, 3])?, vec![turn(2, "another text")?]] {
        store.executions().append(&id, Fence(1), &entries).await?;
    }
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure_eq!(log, turns([1, 2, 3])?, "the log after repeated entries");
    Ok(())
}

/// Only the attempt that is under way writes.
pub async fn another_fence_cannot_append(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = running(0)?;
    execution.fence = Fence(2);
    let id = stored(&*store, execution).await?.id;
    for fence in [0, 1, 3] {
        let late = store.executions().append(&id, Fence(fence), &turns([1])?).await;
        expect_kind(late, ErrorKind::Conflict, &format!("appending under the fence {fence}, stored is 2"))?;
    }
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure!(log.is_empty(), "nothing should be in the log: {log:?}");
    Ok(())
}

/// After the end nothing is added.
pub async fn the_log_of_a_finished_run_is_closed(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    store.executions().advance(&id, Fence(1), &finish("done", turns([1])?)?).await?;
    let late = store.executions().append(&id, Fence(1), &turns([2])?).await;
    expect_kind(late, ErrorKind::Conflict, "appending to the log of a finished run")?;
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure_eq!(log, turns([1])?, "the log of a finished run");
    Ok(())
}

/// Nothing can be added to what was never created, and nothing is read of it.
pub async fn an_unknown_execution_has_no_log(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = ExecutionId::generate();
    let unknown = store.executions().append(&id, Fence::NONE, &turns([1])?).await;
    expect_kind(unknown, ErrorKind::NotFound, "appending to the log of an unknown execution")?;
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure!(log.is_empty(), "an unknown execution should have no log: {log:?}");
    Ok(())
}

/// A reader comes back for the rest.
pub async fn a_log_is_read_in_pieces(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    let other = stored(&*store, running(0)?).await?.id;
    store.executions().append(&id, Fence(1), &turns(1..=7)?).await?;
    store.executions().append(&other, Fence(1), &turns(1..=3)?).await?;
    let (mut read, mut after) = (Vec::new(), Cursor::START);
    for wanted in [3, 3, 1, 0] {
        let piece = store.executions().log(&id, after, 3).await?;
        ensure_eq!(piece.len(), wanted, "the length of the piece behind {after:?}");
        after = piece.last().map_or(after, |entry| entry.sequence);
        read.extend(piece);
    }
    ensure_eq!(read, turns(1..=7)?, "the pieces together");
    let nothing = store.executions().log(&id, Cursor::START, 0).await?;
    ensure!(nothing.is_empty(), "a limit of 0 should read nothing: {nothing:?}");
    Ok(())
}

/// Many that append at the same time leave a log without gaps; those that came too late hear of it.
pub async fn of_many_appenders_none_leaves_a_gap(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    let mut writers = JoinSet::new();
    for place in 1..=20 {
        let (store, id, entries) = (Arc::clone(&store), id.clone(), turns([place])?);
        writers.spawn(async move { store.executions().append(&id, Fence(1), &entries).await });
    }
    let mut stored_by_them = 0;
    while let Some(writer) = writers.join_next().await {
        match writer.map_err(|error| broken(error.to_string()))? {
            Ok(_) => stored_by_them += 1,
            late => expect_kind(late, ErrorKind::Conflict, "an append that came too early")?,
        }
    }
    let log = store.executions().log(&id, Cursor::START, 100).await?;
    ensure_eq!(log, turns(1..=stored_by_them)?, "the log of {stored_by_them} accepted entries");
    Ok(())
}
