//! A stored run on the wire.
use std::borrow::Cow;

use agent_gateway_core::{
    JsonMap,
    execution::{Execution, ExecutionStatus, StopReason, WorkflowStep},
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    time::{self, Instant},
    usage::UsageInfo,
};

/// A run as it is stored.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExecutionInfo<'a> {
    /// The run.
    execution_id: &'a str,
    /// The agent that runs.
    agent_id: &'a str,
    /// `queued`, `running`, `suspended`, `completed`, `failed`, `cancelled` or `timeout`.
    status: &'static str,
    /// Why it stopped; `null` while it has not.
    stop_reason: Option<&'a str>,
    /// What the agent was told.
    message: &'a str,
    /// The structured input.
    #[schema(value_type = Option<Object>)]
    input: Option<&'a JsonMap>,
    /// How it ended: `output`, `raw_text`, `stop_reason`, `usage` and, where they apply, `error` and `validation_errors`.
    /// In a session also `content`, the text.
    #[schema(value_type = Option<Object>)]
    result: Option<Cow<'a, Value>>,
    /// What went wrong.
    error: Option<&'a str>,
    /// What it consumed.
    usage: Option<UsageInfo<'a>>,
    /// The chat session it belongs to.
    session_id: Option<&'a str>,
    /// The run that delegated to it.
    parent_execution_id: Option<&'a str>,
    /// The first run of its tree; its own id at the root.
    root_execution_id: Option<&'a str>,
    /// How many delegations lie above.
    delegation_depth: u32,
    /// When it first ran.
    #[schema(schema_with = time::schema)]
    started_at: Option<Instant>,
    /// When it ended.
    #[schema(schema_with = time::schema)]
    completed_at: Option<Instant>,
    /// When it was accepted.
    #[schema(schema_with = time::schema)]
    created_at: Option<Instant>,
}

fn stop_reason(execution: &Execution) -> Option<&str> {
    if execution.status == ExecutionStatus::Suspended {
        return Some(StopReason::Suspended.as_str());
    }
    execution.result.as_ref()?.get("stop_reason")?.as_str()
}

/// A run of a tree, with what the steps of its workflows did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WorkflowInfo<'a> {
    #[serde(flatten)]
    run: ExecutionInfo<'a>,
    /// What the steps of its workflows did, in order; `null` behind the first 100 runs of a tree.
    workflow_steps: Option<Vec<StepInfo>>,
}

/// One thing that a step of a workflow did.
#[derive(Debug, Serialize, ToSchema)]
struct StepInfo {
    /// The skill that is the workflow.
    skill: String,
    /// The model's call of the workflow.
    call_id: String,
    /// The step.
    step: String,
    /// The place among the tools that the step calls at once; 0 where it does one thing.
    item: u32,
    /// `tool` or `prompt`.
    kind: &'static str,
    /// The tool, or the model.
    name: String,
    /// What the tool was given. Where that is long, its beginning as a text.
    arguments: Value,
    /// Whether it did it.
    success: bool,
    /// What it came to. Where that is long, its beginning as a text.
    output: Value,
    /// How long it took.
    duration_ms: u64,
    /// When it was recorded.
    #[schema(schema_with = time::schema)]
    created_at: Instant,
}

impl<'a> WorkflowInfo<'a> {
    pub(super) fn new(run: &'a Execution, steps: Option<Vec<WorkflowStep>>) -> Self {
        let workflow_steps = steps.map(|steps| steps.into_iter().map(StepInfo::new).collect());
        Self { run: ExecutionInfo::new(run), workflow_steps }
    }
}

impl StepInfo {
    fn new(step: WorkflowStep) -> Self {
        let WorkflowStep { place, kind, name, arguments, success, output, duration_ms, created_at } = step;
        Self {
            skill: place.skill.to_string(),
            call_id: place.call_id.to_string(),
            step: place.step.to_string(),
            item: place.item,
            kind: kind.as_str(),
            name: name.to_string(),
            arguments,
            success,
            output,
            duration_ms,
            created_at: Instant(created_at),
        }
    }
}

impl<'a> ExecutionInfo<'a> {
    pub(super) fn new(execution: &'a Execution) -> Self {
        Self {
            execution_id: execution.id.as_str(),
            agent_id: execution.agent_id.as_str(),
            status: execution.status.as_str(),
            stop_reason: stop_reason(execution),
            message: &execution.message,
            input: execution.input.as_ref(),
            result: execution.result.as_ref().map(|result| with_content(execution, result)),
            error: execution.error.as_deref(),
            usage: execution.usage.as_ref().map(UsageInfo::new),
            session_id: execution.session_id.as_ref().map(AsRef::as_ref),
            parent_execution_id: execution.parent_execution_id.as_ref().map(AsRef::as_ref),
            root_execution_id: execution.root_execution_id.as_ref().map(AsRef::as_ref),
            delegation_depth: execution.delegation_depth,
            started_at: execution.started_at.map(Instant),
            completed_at: execution.completed_at.map(Instant),
            created_at: Some(Instant(execution.created_at)),
        }
    }
}

/// Readers of chat runs know the text as `content`.
fn with_content<'a>(execution: &Execution, result: &'a Value) -> Cow<'a, Value> {
    match (&execution.session_id, result.get("raw_text"), result.get("content")) {
        (Some(_), Some(text), None) => {
            let mut result = result.clone();
            result["content"] = text.clone();
            Cow::Owned(result)
        }
        _ => Cow::Borrowed(result),
    }
}
