//! The steps of workflows: the log as those read it who want to know what a workflow did.
use std::sync::Arc;

use serde_json::Value;

use super::{LogEntry, LogEvent, ModelTurn, StepPlace, ToolOutcome, ToolTurn};
use crate::{JsonMap, Timestamp};

/// How much of a value is shown, in characters of JSON.
const PREVIEW_CHARS: usize = 2048;

/// One thing that a step of a workflow did.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowStep {
    /// The step.
    pub place: Arc<StepPlace>,
    /// What it did.
    pub kind: StepKind,
    /// The tool, or the model.
    pub name: Arc<str>,
    /// What the tool was given. Where that is long, its beginning as a text.
    pub arguments: Value,
    /// Whether it did it.
    pub success: bool,
    /// What it came to. Where that is long, its beginning as a text.
    pub output: Value,
    /// How long it took.
    pub duration_ms: u64,
    /// When it was recorded.
    pub created_at: Timestamp,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// It called a tool.
    Tool,
    /// It asked the model.
    Prompt,
}

impl StepKind {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
        }
    }
}

/// Reads the steps of workflows out of a log, in the order in which they were made.
#[must_use]
pub fn workflow_steps(log: &[LogEntry]) -> Vec<WorkflowStep> {
    log.iter()
        .filter_map(|entry| match &entry.event {
            LogEvent::ModelTurn(turn) => Some(asked(turn, turn.within.as_ref()?, entry.at)),
            LogEvent::ToolTurn(turn) => Some(called(turn, turn.within.as_ref()?, entry.at)),
            _ => None,
        })
        .collect()
}

fn asked(turn: &ModelTurn, place: &Arc<StepPlace>, created_at: Timestamp) -> WorkflowStep {
    WorkflowStep {
        place: place.clone(),
        kind: StepKind::Prompt,
        name: turn.model.as_str().into(),
        arguments: Value::Object(JsonMap::new()),
        success: true,
        output: shown(Value::String(turn.text.to_string())),
        duration_ms: turn.duration_ms,
        created_at,
    }
}

fn called(turn: &ToolTurn, place: &Arc<StepPlace>, created_at: Timestamp) -> WorkflowStep {
    let (kind, name) = match turn.unanswered_question() {
        Some(model) => (StepKind::Prompt, model.into()),
        None => (StepKind::Tool, turn.name.clone()),
    };
    WorkflowStep {
        place: place.clone(),
        kind,
        name,
        arguments: shown(turn.arguments.to_json()),
        success: turn.outcome == ToolOutcome::Succeeded,
        output: shown(turn.output()),
        duration_ms: turn.duration_ms,
        created_at,
    }
}

/// A value, or the beginning of a long one.
fn shown(value: Value) -> Value {
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(PREVIEW_CHARS) {
        Some((end, _)) => Value::String(text[..end].to_owned()),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        execution::{Cursor, ResultForm},
        id::{ModelName, SkillId},
        message::{Arguments, TokenUsage},
    };

    fn place(step: &str) -> Option<Arc<StepPlace>> {
        let skill = SkillId::new("math").unwrap();
        Some(Arc::new(StepPlace { call_id: "c".into(), skill, step: step.into(), item: 0 }))
    }

    fn tool(name: Arc<str>, content: &str, outcome: ToolOutcome, within: Option<Arc<StepPlace>>) -> LogEvent {
        LogEvent::ToolTurn(ToolTurn {
            call_id: "c/a/0".into(),
            name,
            arguments: Arguments::Object(JsonMap::from_iter([("n".to_owned(), json!(1))])),
            outcome,
            content: content.into(),
            cut_from: None,
            whole: None,
            form: ResultForm::Json,
            duration_ms: 3,
            within,
        })
    }

    #[test]
    fn steps_are_told_with_what_they_came_to() {
        let asked = ModelTurn {
            model: ModelName::new("a/b").unwrap(),
            text: "é".repeat(3000).into(),
            tool_calls: Vec::new(),
            tokens: TokenUsage::default(),
            cost_usd: None,
            duration_ms: 4,
            within: place("words"),
        };
        let own = ModelTurn { within: None, ..asked.clone() };
        let unanswered = ToolTurn::question_name(&asked.model);
        let events = [
            LogEvent::ModelTurn(own),
            tool("add".into(), "{\"result\":3}", ToolOutcome::Succeeded, place("sum")),
            tool("add".into(), "{\"error\":\"no\"}", ToolOutcome::Refused, place("not")),
            LogEvent::ModelTurn(asked),
            tool(unanswered, "{\"error\":\"away\"}", ToolOutcome::Refused, place("silent")),
            tool("math".into(), "{}", ToolOutcome::Succeeded, None),
        ];
        let entry = |(event, place)| LogEntry { sequence: Cursor(place), at: Timestamp::UNIX_EPOCH, event };
        let log: Vec<LogEntry> = events.into_iter().zip(1..).map(entry).collect();
        let told: Vec<_> = workflow_steps(&log)
            .into_iter()
            .map(|step| {
                (
                    step.place.step.to_string(),
                    step.kind.as_str(),
                    step.name.to_string(),
                    step.success,
                    step.output,
                )
            })
            .collect();
        let row = |step: &str, kind, name: &str, success, output| {
            (step.to_owned(), kind, name.to_owned(), success, output)
        };
        let expected = [
            row("sum", "tool", "add", true, json!({"result": 3})),
            row("not", "tool", "add", false, json!({"error": "no"})),
            row("words", "prompt", "a/b", true, json!("é".repeat(2048))),
            row("silent", "prompt", "a/b", false, json!({"error": "away"})),
        ];
        assert_eq!(told, expected);
    }
}
