//! The run log: a run *is* its log. Everything else about a run is a reading of it.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Outcome, Usage};
use crate::{
    Error, Result, Timestamp,
    approval::{ApprovalStatus, AskedCall, Decision},
    id::{ApprovalId, ExecutionId, ModelName, SkillId},
    message::{Arguments, TokenUsage, ToolCall},
};

/// A place in a run's log: the sequence number of the last entry read, 0 before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub u64);

impl Cursor {
    /// Before the first entry.
    pub const START: Self = Self(0);

    /// The place behind the next entry.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Of entries that are to be appended to a log that ends here: how many at their head are stored already. A rest that
    /// does not continue the log without a gap is `Conflict`.
    pub fn already_stored(self, places: impl IntoIterator<Item = Self>) -> Result<usize> {
        let (mut stored, mut end) = (0, self);
        for place in places {
            if end == self && (Self::START.next()..=self).contains(&place) {
                stored += 1;
            } else if place == end.next() {
                end = place;
            } else {
                return Err(Error::conflict("the entries do not continue the run log")
                    .with("expected", end.0 + 1)
                    .with("got", place.0));
            }
        }
        Ok(stored)
    }
}

/// One entry. Sequence numbers start at 1 and have no gaps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Its place in the log.
    pub sequence: Cursor,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: LogEvent,
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogEvent {
    /// The model answered, in full.
    ModelTurn(ModelTurn),
    /// The run was stopped in the middle of a turn; this is what the model had said of it.
    CutOff {
        /// The text.
        text: Arc<str>,
    },
    /// What the model had said of the turn under way is void: that turn is made anew.
    Reset(ResetReason),
    /// A call was handed to its tool. After a crash this says which calls were under way.
    ToolStarted {
        /// The call.
        call_id: Arc<str>,
        /// The tool.
        name: Arc<str>,
    },
    /// A call was answered, in full as the model sees it.
    ToolTurn(ToolTurn),
    /// A call waits for a person.
    ApprovalRequested {
        /// The approval.
        approval_id: ApprovalId,
        /// The call.
        call: AskedCall,
        /// From when on nobody can decide any more.
        expires_at: Timestamp,
    },
    /// It is settled whether a call is made that waited for a person.
    ApprovalSettled {
        /// The approval.
        approval_id: ApprovalId,
        /// The call.
        call_id: Arc<str>,
        /// How it was settled.
        status: ApprovalStatus,
        /// What was decided; `None` when nobody decided in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        decision: Option<Decision>,
    },
    /// The run rests until its approvals are decided, and the runs that it delegated to and that rest have ended.
    Suspended {
        /// Those runs.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        delegated: Vec<ExecutionId>,
        /// What was consumed until now.
        usage: Usage,
    },
    /// The run ended.
    Finished(Outcome),
}

impl LogEvent {
    /// The word that stores keep beside the entry.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ModelTurn(_) => "model_turn",
            Self::CutOff { .. } => "cut_off",
            Self::Reset(_) => "reset",
            Self::ToolStarted { .. } => "tool_started",
            Self::ToolTurn(_) => "tool_turn",
            Self::ApprovalRequested { .. } => "approval_requested",
            Self::ApprovalSettled { .. } => "approval_settled",
            Self::Suspended { .. } => "suspended",
            Self::Finished(_) => "finished",
        }
    }
}

/// Why a model turn is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResetReason {
    /// The process that ran it went away, and another attempt goes on from the log.
    Resumed,
    /// The model failed in the middle of its answer, and the fallback was asked.
    Fallback,
}

impl ResetReason {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Fallback => "fallback",
        }
    }
}

/// One answer of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelTurn {
    /// The model, as the provider names it.
    pub model: ModelName,
    /// The text.
    pub text: Arc<str>,
    /// The calls it asks for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// What it consumed.
    pub tokens: TokenUsage,
    /// Its cost in USD; `None` when the price is unknown.
    pub cost_usd: Option<f64>,
    /// How long it took.
    pub duration_ms: u64,
    /// The step of a workflow that asked; `None`: the agent itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Arc<StepPlace>>,
}

/// Where in a workflow something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPlace {
    /// The model's call of the workflow.
    pub call_id: Arc<str>,
    /// The skill that is the workflow.
    pub skill: SkillId,
    /// The step.
    pub step: Arc<str>,
    /// The place among the tools that the step calls at once; 0 where it does one thing.
    pub item: u32,
}

/// One answered tool call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolTurn {
    /// The call.
    pub call_id: Arc<str>,
    /// The tool.
    pub name: Arc<str>,
    /// The arguments after defaults were filled in.
    pub arguments: Arguments,
    /// How it ended.
    pub outcome: ToolOutcome,
    /// What the model sees.
    pub content: Arc<str>,
    /// How many bytes the whole result had, when it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<usize>,
    /// What clients see, where that is more than what the model sees: the whole of a cut result, as far as it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Arc<str>>,
    /// How the result is written.
    #[serde(default)]
    pub form: ResultForm,
    /// How long it took.
    pub duration_ms: u64,
    /// The step of a workflow that called it; `None`: the agent itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Arc<StepPlace>>,
}

/// How a tool's result is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultForm {
    /// A text.
    #[default]
    Text,
    /// JSON.
    Json,
}

/// What the name of an [unanswered question](ToolTurn::unanswered_question) begins with. No tool's name does.
const QUESTION: &str = "model:";

impl ToolTurn {
    /// The name of a question of a workflow's step that this model did not answer.
    #[must_use]
    pub fn question_name(model: &ModelName) -> Arc<str> {
        format!("{QUESTION}{model}").into()
    }

    /// The model, where this is no call but a question of a workflow's step that no model answered. The output says why.
    #[must_use]
    pub fn unanswered_question(&self) -> Option<&str> {
        self.within.as_ref().and_then(|_| self.name.strip_prefix(QUESTION))
    }

    /// The result as clients see it: the tool's own value, or `{"error": ..}`.
    #[must_use]
    pub fn output(&self) -> Value {
        let text = self.whole.as_deref().unwrap_or(&self.content);
        let json = match self.form {
            ResultForm::Json => serde_json::from_str(text).ok(),
            ResultForm::Text => None,
        };
        json.unwrap_or_else(|| Value::String(text.to_owned()))
    }
}

/// How a tool call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// The tool answered.
    Succeeded,
    /// The tool ran and failed.
    Failed,
    /// The call never reached its tool: unknown, not permitted, bad arguments, over the limit.
    Refused,
}
