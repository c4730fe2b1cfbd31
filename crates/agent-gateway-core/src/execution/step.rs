//! Steps: the log as the reference's clients know it.
use serde::Serialize;
use serde_json::{Value, json};

use super::{LogEntry, LogEvent, ModelTurn, ToolOutcome, ToolTurn};
use crate::Timestamp;

/// How much text a step shows.
const PREVIEW_CHARS: usize = 2048;

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// `llm_call`, `tool_call` or `tool_result`.
    pub step_type: &'static str,
    /// Its place, from 0, without gaps.
    pub sequence: u64,
    /// What it shows.
    pub data: Value,
    /// How long it took.
    pub duration_ms: u64,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// Reads the steps out of a log. What a workflow did stands before the result of its call: questions as `llm_call`, calls as
/// `tool_result` with the id `<call>/<step>/<item>`; [`workflow_steps`](super::workflow_steps) tells more.
#[must_use]
pub fn steps(log: &[LogEntry]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut push = |step_type, data, duration_ms, created_at| {
        let sequence = steps.len() as u64;
        steps.push(Step { step_type, sequence, data, duration_ms, created_at });
    };
    for entry in log {
        match &entry.event {
            LogEvent::ModelTurn(turn) => {
                push("llm_call", model_data(turn), turn.duration_ms, entry.at);
                for call in &turn.tool_calls {
                    let data = json!({"tool_name": call.name, "call_id": call.id, "arguments": call.arguments.to_json()});
                    push("tool_call", data, 0, entry.at);
                }
            }
            LogEvent::ToolTurn(turn) => push("tool_result", tool_data(turn), turn.duration_ms, entry.at),
            LogEvent::CutOff { .. }
            | LogEvent::Reset(_)
            | LogEvent::ToolStarted { .. }
            | LogEvent::ApprovalRequested { .. }
            | LogEvent::ApprovalSettled { .. }
            | LogEvent::Suspended { .. }
            | LogEvent::Finished(_) => {}
        }
    }
    steps
}

fn model_data(turn: &ModelTurn) -> Value {
    json!({
        "model": turn.model,
        "input_tokens": turn.tokens.input_tokens,
        "output_tokens": turn.tokens.output_tokens,
        "cost_usd": turn.cost_usd.unwrap_or_default(),
        "has_tool_calls": !turn.tool_calls.is_empty(),
        "content": preview(&turn.text),
        "tool_calls_count": turn.tool_calls.len(),
    })
}

fn tool_data(turn: &ToolTurn) -> Value {
    json!({
        "tool_name": turn.name,
        "call_id": turn.call_id,
        "success": turn.outcome == ToolOutcome::Succeeded,
        "result": preview(&turn.content),
        "truncated": turn.cut_from.is_some() || turn.content.chars().nth(PREVIEW_CHARS).is_some(),
    })
}

fn preview(text: &str) -> &str {
    match text.char_indices().nth(PREVIEW_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
