//! A stored run on the wire.
use std::borrow::Cow;

use agent_gateway_core::{JsonMap, execution::Execution};
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

impl<'a> ExecutionInfo<'a> {
    pub(super) fn new(execution: &'a Execution) -> Self {
        Self {
            execution_id: execution.id.as_str(),
            agent_id: execution.agent_id.as_str(),
            status: execution.status.as_str(),
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
