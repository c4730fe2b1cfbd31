//! What a caller is answered.
use agent_gateway_core::execution::{Execution, Usage};
use agent_gateway_runtime::Completed;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A run that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct InvokeResponse<'a> {
    /// The run.
    execution_id: &'a str,
    /// The agent that ran.
    agent_id: &'a str,
    /// `completed`, `failed`, `cancelled` or `timeout`.
    status: &'static str,
    /// Why it stopped: `completed`, `max_iterations`, `max_tool_calls`, `timeout`, `cancelled` or `error`.
    stop_reason: &'static str,
    /// What it answered.
    result: Option<ResultInfo<'a>>,
    /// What it consumed.
    usage: Option<UsageInfo<'a>>,
    /// What went wrong.
    error: Option<&'a str>,
}

/// What a run answered.
#[derive(Debug, Serialize, ToSchema)]
struct ResultInfo<'a> {
    /// The structured answer, where a schema was asked for and met.
    output: Option<&'a Value>,
    /// The text.
    raw_text: &'a str,
    /// How the answer misses its schema.
    validation_errors: Option<&'a [String]>,
}

/// What a run consumed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageInfo<'a> {
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// Of the tokens read, those from the provider's cache; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cached_input_tokens: Option<u64>,
    /// Cost in USD.
    cost_usd: f64,
    /// Present and true when a model without a known price took part, so that the cost is too low.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    cost_incomplete: bool,
    /// Model calls.
    llm_calls: u32,
    /// Tool calls.
    tool_calls: u32,
    /// The models that answered.
    models_used: &'a [String],
    /// Milliseconds from the start to the end.
    duration_ms: u64,
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
            result: Some(ResultInfo {
                output: outcome.output.as_ref(),
                raw_text: &outcome.raw_text,
                validation_errors: outcome.validation_errors.as_deref(),
            }),
            usage: Some(UsageInfo::new(&outcome.usage)),
            error: outcome.error.as_deref(),
        }
    }
}

impl<'a> UsageInfo<'a> {
    pub(crate) fn new(usage: &'a Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_input_tokens: Some(usage.cached_input_tokens).filter(|tokens| *tokens > 0),
            cost_usd: (usage.cost_usd * 1e6).round() / 1e6,
            cost_incomplete: usage.cost_incomplete,
            llm_calls: usage.llm_calls,
            tool_calls: usage.tool_calls,
            models_used: &usage.models_used,
            duration_ms: usage.duration_ms,
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
