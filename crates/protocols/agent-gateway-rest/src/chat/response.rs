//! What a caller is answered.
use agent_gateway_core::id::ConversationId;
use agent_gateway_runtime::Completed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    run::waiting,
    usage::{ResultInfo, UsageInfo},
};

/// A turn that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatResponse<'a> {
    /// The session.
    session_id: &'a str,
    /// The run.
    execution_id: &'a str,
    /// The agent that ran.
    agent_id: &'a str,
    /// `completed`, `failed`, `cancelled` or `timeout`; `suspended` while a tool call waits for a person.
    status: &'static str,
    /// Why it stopped: `completed`, `max_iterations`, `max_tool_calls`, `max_tokens`, `max_cost`,
    /// `suspended`, `stopped`, `timeout`, `cancelled` or `error`.
    stop_reason: &'static str,
    /// What it answered.
    result: Option<ResultInfo<'a>>,
    /// What it consumed.
    usage: Option<UsageInfo<'a>>,
    /// What went wrong.
    error: Option<&'a str>,
    /// Where the state of a suspended run is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    poll_url: Option<String>,
    /// Where the calls are listed that a suspended run waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    approvals_url: Option<String>,
    /// How many turns the session has, this one included.
    turn_count: u64,
}

impl<'a> ChatResponse<'a> {
    pub(super) fn new(run: &'a Completed, prefix: &str) -> Self {
        let outcome = &*run.outcome;
        let (poll_url, approvals_url) = waiting(run, prefix);
        Self {
            session_id: run.session_id.as_ref().map_or("", ConversationId::as_str),
            execution_id: run.execution_id.as_str(),
            agent_id: run.agent_id.as_str(),
            status: outcome.stop_reason.status().as_str(),
            stop_reason: outcome.stop_reason.as_str(),
            result: Some(ResultInfo::new(outcome)),
            usage: Some(UsageInfo::new(&outcome.usage)),
            error: outcome.error.as_deref(),
            poll_url,
            approvals_url,
            turn_count: outcome.turn_count.unwrap_or_default(),
        }
    }
}
