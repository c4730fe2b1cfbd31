//! Ending an execution that nobody here runs.
use agent_gateway_core::{
    Result, Timestamp,
    execution::{
        Advanced, Cursor, Execution, ExecutionStatus, LogEntry, LogEvent, Outcome, StopReason, ToolOutcome,
        Transition, Usage,
    },
    message::Message,
};

use crate::{Ports, gateway::Shared};

/// Ends it, unless it moved on meanwhile. Whoever else runs it cannot write from this moment on: the end is written under a
/// fence of its own.
/// An execution that could not be ended now is looked after later.
pub(crate) async fn end_unrun(shared: &Shared, execution: &Execution, outcome: Outcome) -> Result<Advanced> {
    let ended = try_end(shared, execution, outcome.clone()).await;
    match &ended {
        Ok(Advanced::Applied) => shared.recovery.resumption.ended_unrun(execution),
        Ok(_) => {}
        Err(_) => shared.recovery.note_end(execution.id.clone(), outcome),
    }
    ended
}

async fn try_end(shared: &Shared, execution: &Execution, outcome: Outcome) -> Result<Advanced> {
    let ports = &shared.ports;
    let (executions, at) = (ports.persistence.executions(), ports.clock.now());
    let mut fence = execution.fence;
    if execution.status == ExecutionStatus::Running {
        fence = fence.next();
        let takeover = executions
            .advance(
                &execution.id,
                execution.fence,
                &Transition::Start { fence, instance: Some(ports.presence.id().clone()), at },
            )
            .await?;
        if let Advanced::Refused { .. } = takeover {
            return Ok(takeover);
        }
    }
    let entries = log(ports, execution).await?;
    let sequence = entries.last().map_or(Cursor::START, |entry| entry.sequence).next();
    let mut outcome = outcome;
    outcome.usage = consumed(execution, &entries, at);
    let entry = LogEntry { sequence, at, event: LogEvent::Finished(outcome.clone()) };
    // What the caller said in a conversation stays said.
    let said = execution.session_id.iter().map(|_| Message::user(execution.message.as_str())).collect();
    let change = Transition::Finish { outcome: Box::new(outcome), entries: vec![entry], said, at };
    executions.advance(&execution.id, fence, &change).await
}

/// The outcome of an execution that failed before it ran, or instead of running again.
pub(crate) fn failed(sentence: &str) -> Outcome {
    Outcome::new(StopReason::Error, "", Usage::default()).error(sentence)
}

/// What was consumed until now, as far as the log tells.
fn consumed(execution: &Execution, entries: &[LogEntry], now: Timestamp) -> Usage {
    let mut usage = Usage::default();
    for entry in entries {
        match &entry.event {
            LogEvent::ModelTurn(turn) => usage.add_call(&turn.model, &turn.tokens, turn.cost_usd),
            LogEvent::ToolTurn(turn) if turn.outcome != ToolOutcome::Refused => usage.tool_calls += 1,
            _ => {}
        }
    }
    let lasted = execution.started_at.map(|started| now.duration_since(started).as_millis());
    usage.duration_ms = lasted.and_then(|lasted| u64::try_from(lasted).ok()).unwrap_or_default();
    usage
}

/// The whole log. It is bounded by the limits of a run.
pub(crate) async fn log(ports: &Ports, execution: &Execution) -> Result<Vec<LogEntry>> {
    const PAGE: u32 = 500;
    let mut entries: Vec<LogEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(Cursor::START, |entry| entry.sequence);
        let page = ports.persistence.executions().log(&execution.id, after, PAGE).await?;
        if page.is_empty() {
            return Ok(entries);
        }
        entries.extend(page);
    }
}
