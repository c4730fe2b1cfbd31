//! What a caller is answered.
use agent_gateway_core::execution::Execution;
use agent_gateway_runtime::Completed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::usage::{ResultInfo, UsageInfo};

/// A run that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvokeResponse<'a> {
    /// The run.
    execution_id: &'a str,
    /// The agent that ran.
    agent_id: &'a str,
    /// `completed`, `failed`, `cancelled` or `timeout`.
    status: &'static str,
    /// Why it stopped: `completed`, `max_iterations`, `max_tool_calls`, `max_tokens`, `max_cost`, `suspended`, `stopped`,
    /// `timeout`, `cancelled` or `error`.
    stop_reason: &'static str,
    /// What it answered.
    result: Option<ResultInfo<'a>>,
    /// What it consumed.
    usage: Option<UsageInfo<'a>>,
    /// What went wrong.
    error: Option<&'a str>,
}

/// A run that waits for a worker.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct QueuedResponse<'a> {
    /// The run.
    execution_id: &'a str,
    /// The agent that will run.
    agent_id: &'a str,
    /// Always `queued`.
    status: &'static str,
    /// Where its state is read.
    poll_url: String,
}

impl<'a> InvokeResponse<'a> {
    pub(super) fn new(run: &'a Completed) -> Self {
        let outcome = &*run.outcome;
        Self {
            execution_id: run.execution_id.as_str(),
            agent_id: run.agent_id.as_str(),
            status: outcome.stop_reason.status().as_str(),
            stop_reason: outcome.stop_reason.as_str(),
            result: Some(ResultInfo::new(outcome)),
            usage: Some(UsageInfo::new(&outcome.usage)),
            error: outcome.error.as_deref(),
        }
    }
}

impl<'a> QueuedResponse<'a> {
    pub(super) fn new(execution: &'a Execution, prefix: &str) -> Self {
        Self {
            execution_id: execution.id.as_str(),
            agent_id: execution.agent_id.as_str(),
            status: execution.status.as_str(),
            poll_url: format!("{prefix}/v1/executions/{}", execution.id),
        }
    }
}
