//! Tool calls that wait for a person: what is asked, and what was decided.
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Error, JsonMap, Result, Timestamp,
    id::{AgentId, ApprovalId, ExecutionId, UserId},
};

/// The most characters of the reason that a decision is given with.
pub const MAX_REASON_CHARS: usize = 2_000;

/// One tool call that waits, or waited, for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Approval {
    /// Its id.
    pub id: ApprovalId,
    /// The execution that rests until it is decided.
    pub execution_id: ExecutionId,
    /// The first execution of its tree.
    pub root_execution_id: ExecutionId,
    /// The agent that wants the call.
    pub agent_id: AgentId,
    /// The owner of the execution.
    pub user_id: Option<UserId>,
    /// The call's id within its execution.
    pub call_id: Arc<str>,
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments that the model wants to call it with, defaults filled in.
    pub arguments: JsonMap,
    /// Why a person is asked, where a hook said so.
    pub question: Option<Arc<str>>,
    /// Its state.
    pub status: ApprovalStatus,
    /// What was decided; `None` while it is pending, and when nobody decided.
    pub decision: Option<Decision>,
    /// When it was asked.
    pub created_at: Timestamp,
    /// From when on nobody can decide any more.
    pub expires_at: Timestamp,
}

/// Which call a person is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AskedCall {
    /// The call's id within its execution.
    pub call_id: Arc<str>,
    /// The tool.
    pub tool: Arc<str>,
    /// The arguments, defaults filled in.
    pub arguments: JsonMap,
    /// Why a person is asked, where a hook said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<Arc<str>>,
}

impl Approval {
    /// A pending approval of a root execution without an owner.
    pub fn new(
        id: ApprovalId,
        (execution_id, agent_id): (ExecutionId, AgentId),
        call: AskedCall,
        (created_at, expires_at): (Timestamp, Timestamp),
    ) -> Self {
        let AskedCall { call_id, tool, arguments, question } = call;
        Self {
            id,
            root_execution_id: execution_id.clone(),
            execution_id,
            agent_id,
            user_id: None,
            call_id,
            tool,
            arguments,
            question,
            status: ApprovalStatus::Pending,
            decision: None,
            created_at,
            expires_at,
        }
    }
}

/// The state of an approval. All but `Pending` are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalStatus {
    /// Nobody has decided yet.
    Pending,
    /// The call is made, with the arguments of the decision where it has some.
    Approved,
    /// The call is not made, and the model is told why.
    Denied,
    /// Nobody decided in time: the call is not made.
    Expired,
    /// The execution ended before anybody decided.
    Withdrawn,
}

impl ApprovalStatus {
    /// The word of the API and the stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word of a store.
    pub fn parse(word: &str) -> Result<Self> {
        [Self::Pending, Self::Approved, Self::Denied, Self::Expired, Self::Withdrawn]
            .into_iter()
            .find(|status| status.as_str() == word)
            .ok_or_else(|| Error::invalid("not an approval status").with("status", word))
    }
}

/// What a person decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What.
    pub verdict: Verdict,
    /// Who; `None` for a caller without an identity.
    pub by: Option<UserId>,
    /// When.
    pub at: Timestamp,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
}

/// What can be decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// The call is made as the model wants it.
    Approve,
    /// The call is made with these arguments.
    Edit {
        /// The arguments.
        arguments: JsonMap,
    },
    /// The call is not made.
    Deny,
}

impl Verdict {
    /// The state of an approval that was decided like this.
    #[must_use]
    pub fn status(&self) -> ApprovalStatus {
        match self {
            Self::Approve | Self::Edit { .. } => ApprovalStatus::Approved,
            Self::Deny => ApprovalStatus::Denied,
        }
    }
}

/// Which approvals to list. Every filter that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalQuery {
    /// In this state.
    pub status: Option<ApprovalStatus>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// Of this execution.
    pub execution_id: Option<ExecutionId>,
    /// Of this tree of executions.
    pub root_execution_id: Option<ExecutionId>,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq)]
pub enum Decided {
    /// It is stored; this is the approval now.
    Stored(Box<Approval>),
    /// It came too late: the approval is not pending any more, or its time is up. This is what is stored.
    TooLate(Box<Approval>),
}
