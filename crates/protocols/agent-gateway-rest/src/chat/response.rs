//! What a caller is answered.
use agent_gateway_core::id::ConversationId;
use agent_gateway_runtime::Completed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::usage::{ResultInfo, UsageInfo};

/// A turn that ended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatResponse<'a> {
    /// The session.
    session_id: &'a str,
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
    /// How many turns the session has, this one included.
    turn_count: u64,
}

impl<'a> ChatResponse<'a> {
    pub(super) fn new(run: &'a Completed) -> Self {
        let outcome = &*run.outcome;
        Self {
            session_id: run.session_id.as_ref().map_or("", ConversationId::as_str),
            execution_id: run.execution_id.as_str(),
            agent_id: run.agent_id.as_str(),
            status: outcome.stop_reason.status().as_str(),
            stop_reason: outcome.stop_reason.as_str(),
            result: Some(ResultInfo::new(outcome)),
            usage: Some(UsageInfo::new(&outcome.usage)),
            error: outcome.error.as_deref(),
            turn_count: outcome.turn_count.unwrap_or_default(),
        }
    }
}
