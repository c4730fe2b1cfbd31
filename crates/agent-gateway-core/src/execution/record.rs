//! What is stored of an execution, and how its state moves.
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Cursor, Idempotency, LogEntry, Outcome, RunOptions, Usage};
use crate::{
    Error, JsonMap, Result, Timestamp,
    approval::Approval,
    id::{AgentId, ConversationId, ExecutionId, InstanceId, ScheduleId, UserId},
    message::Message,
};

/// The state of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExecutionStatus {
    /// Accepted, and waiting for a worker.
    Queued,
    /// Under way.
    Running,
    /// At rest until a person decides on a tool call of it, or of a run that it delegated to.
    Suspended,
    /// Ended with an answer.
    Completed,
    /// Ended without one.
    Failed,
    /// Ended because somebody asked for it.
    Cancelled,
    /// Ended because time was up.
    Timeout,
}

impl ExecutionStatus {
    /// The word of the API and the stores.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
        }
    }

    /// Reads the word of a store.
    pub fn parse(word: &str) -> Result<Self> {
        [
            Self::Queued,
            Self::Running,
            Self::Suspended,
            Self::Completed,
            Self::Failed,
            Self::Cancelled,
            Self::Timeout,
        ]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| Error::invalid("not an execution status").with("status", word))
    }

    /// Whether it is final: a final status never changes again.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running | Self::Suspended)
    }
}

impl fmt::Display for ExecutionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which attempt writes: every attempt to run an execution has a higher fence than the one before, and a write with an
/// older fence is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fence(pub u64);

impl Fence {
    /// The fence of an execution that nobody has started.
    pub const NONE: Self = Self(0);

    /// The fence of the next attempt.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// One stored execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The agent that runs.
    pub agent_id: AgentId,
    /// Its state.
    pub status: ExecutionStatus,
    /// What the agent was told.
    pub message: String,
    /// The structured input; `None` when there was none.
    pub input: Option<JsonMap>,
    /// The settings of this run.
    pub options: RunOptions,
    /// How it ended, in the JSON of [`Outcome`].
    pub result: Option<Value>,
    /// What went wrong, in a public sentence.
    pub error: Option<String>,
    /// What it consumed.
    pub usage: Option<Usage>,
    /// The conversation it belongs to.
    pub session_id: Option<ConversationId>,
    /// Its owner.
    pub user_id: Option<UserId>,
    /// The schedule that started it.
    pub schedule_id: Option<ScheduleId>,
    /// That schedule's name.
    pub schedule_name: Option<String>,
    /// The execution that delegated to it.
    pub parent_execution_id: Option<ExecutionId>,
    /// The first execution of its tree; its own id at the root.
    pub root_execution_id: Option<ExecutionId>,
    /// How many delegations lie above.
    pub delegation_depth: u32,
    /// The revision of the definitions that it runs with.
    pub revision: String,
    /// What makes a repeated request run once.
    pub idempotency: Option<Idempotency>,
    /// The process that must see it through while it is not finished; `None` when a durable queue does that.
    pub instance: Option<InstanceId>,
    /// Which attempt may write.
    pub fence: Fence,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

impl Execution {
    /// A queued execution that is the root of its tree.
    pub fn new(
        id: ExecutionId,
        agent_id: AgentId,
        message: impl Into<String>,
        created_at: Timestamp,
    ) -> Self {
        Self {
            root_execution_id: Some(id.clone()),
            id,
            agent_id,
            status: ExecutionStatus::Queued,
            message: message.into(),
            input: None,
            options: RunOptions::default(),
            result: None,
            error: None,
            usage: None,
            session_id: None,
            user_id: None,
            schedule_id: None,
            schedule_name: None,
            parent_execution_id: None,
            delegation_depth: 0,
            revision: String::new(),
            idempotency: None,
            instance: None,
            fence: Fence::NONE,
            started_at: None,
            completed_at: None,
            created_at,
        }
    }
}

/// A change of state, with the log entries that belong to it: both are stored, or neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transition {
    /// A new attempt begins: `Queued` or `Running` becomes `Running` under `fence`, which must be higher than the stored one.
    Start {
        /// The fence of the new attempt.
        fence: Fence,
        /// The process that must see it through; `None` when a durable queue does that.
        instance: Option<InstanceId>,
        /// When it begins.
        at: Timestamp,
    },
    /// The run rests: `Running` becomes `Suspended`, with the calls that wait for a person.
    Suspend {
        /// The calls, all of them pending; none where the run waits for a run that it delegated to.
        approvals: Vec<Approval>,
        /// The settings of the run from now on: nobody's leaving ends what a person has to decide on.
        options: RunOptions,
        /// The last entries of the log, which end with `Suspended`.
        entries: Vec<LogEntry>,
    },
    /// What the run waited for is there: `Suspended` becomes `Queued`, like a run that nobody has started.
    Resume {
        /// The process that must see it through until a durable queue does.
        instance: Option<InstanceId>,
    },
    /// The run ends: `Running` (or `Queued`, when it never ran) becomes the final status of the outcome;
    /// so does `Suspended`, whose pending approvals are withdrawn.
    Finish {
        /// How it ended.
        outcome: Box<Outcome>,
        /// The last entries of the log, which end with `Finished`.
        entries: Vec<LogEntry>,
        /// What is added to the execution's conversation; nothing where that was deleted meanwhile.
        said: Vec<Message>,
        /// When it ended.
        at: Timestamp,
    },
}

/// What became of a change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// It is stored.
    Applied,
    /// It is not: the execution is in this state under this fence.
    Refused {
        /// The stored status.
        status: ExecutionStatus,
        /// The stored fence.
        fence: Fence,
    },
}

/// Which executions to list. Every filter that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecutionQuery {
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// Of this conversation.
    pub session_id: Option<ConversationId>,
    /// Of this tree.
    pub root_execution_id: Option<ExecutionId>,
    /// Of this schedule.
    pub schedule_id: Option<ScheduleId>,
    /// In this state.
    pub status: Option<ExecutionStatus>,
    /// To be seen through by this process.
    pub instance: Option<InstanceId>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted at or before.
    pub until: Option<Timestamp>,
}

impl Transition {
    /// The place of the last entry that the change carries.
    #[must_use]
    pub fn last_entry(&self) -> Option<Cursor> {
        match self {
            Self::Start { .. } | Self::Resume { .. } => None,
            Self::Suspend { entries, .. } | Self::Finish { entries, .. } => {
                entries.last().map(|entry| entry.sequence)
            }
        }
    }
}
