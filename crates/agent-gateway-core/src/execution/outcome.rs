//! How a run ended. A stop is not an error.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ExecutionStatus;
use crate::{id::ModelName, message::TokenUsage};

/// Why a run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// The model gave its answer.
    Completed,
    /// The limit of model turns was reached.
    MaxIterations,
    /// The limit of tool calls was reached; the model answered without further tools.
    MaxToolCalls,
    /// The next model turn could have gone over the limit of tokens.
    MaxTokens,
    /// The next model turn could have gone over the limit of cost.
    MaxCost,
    /// It rests until a person decides on a tool call. The run has not ended.
    Suspended,
    /// A hook of the application stopped it.
    Stopped,
    /// Time was up.
    Timeout,
    /// Somebody asked to stop.
    Cancelled,
    /// The model or the gateway failed.
    Error,
}

impl StopReason {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::MaxIterations => "max_iterations",
            Self::MaxToolCalls => "max_tool_calls",
            Self::MaxTokens => "max_tokens",
            Self::MaxCost => "max_cost",
            Self::Suspended => "suspended",
            Self::Stopped => "stopped",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
        }
    }

    /// The status that an execution has then.
    #[must_use]
    pub fn status(self) -> ExecutionStatus {
        match self {
            Self::Completed | Self::MaxIterations | Self::MaxToolCalls | Self::MaxTokens | Self::MaxCost => {
                ExecutionStatus::Completed
            }
            Self::Suspended => ExecutionStatus::Suspended,
            Self::Timeout => ExecutionStatus::Timeout,
            Self::Cancelled => ExecutionStatus::Cancelled,
            Self::Stopped | Self::Error => ExecutionStatus::Failed,
        }
    }
}

/// The result of a run. Its JSON is what `executions.result` stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outcome {
    /// The structured answer, where a schema was asked for and met.
    pub output: Option<Value>,
    /// The text of the answer.
    pub raw_text: String,
    /// Why the run stopped.
    pub stop_reason: StopReason,
    /// What it consumed.
    pub usage: Usage,
    /// What went wrong, in a public sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How the answer misses its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_errors: Option<Vec<String>>,
    /// How many turns its conversation has with this one, where it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_count: Option<u64>,
}

impl Outcome {
    /// A run that stopped for `reason` with `raw_text`.
    pub fn new(reason: StopReason, raw_text: impl Into<String>, usage: Usage) -> Self {
        Self {
            output: None,
            raw_text: raw_text.into(),
            stop_reason: reason,
            usage,
            error: None,
            validation_errors: None,
            turn_count: None,
        }
    }

    /// With the sentence that says what went wrong.
    #[must_use]
    pub fn error(mut self, sentence: impl Into<String>) -> Self {
        self.error = Some(sentence.into());
        self
    }
}

/// What a run consumed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of the tokens read, those from the provider's cache.
    #[serde(skip_serializing_if = "is_default")]
    pub cached_input_tokens: u64,
    /// Cost in USD, to six decimals; see `cost_incomplete`.
    #[serde(serialize_with = "six_decimals")]
    pub cost_usd: f64,
    /// Whether a model without a known price took part, so that `cost_usd` is too low.
    #[serde(skip_serializing_if = "is_default")]
    pub cost_incomplete: bool,
    /// Model calls.
    pub llm_calls: u32,
    /// Tool calls that reached their tool.
    pub tool_calls: u32,
    /// The models that answered, in the order of their first use.
    pub models_used: Vec<String>,
    /// Time from the start to the end.
    pub duration_ms: u64,
}

impl Usage {
    /// Adds one model call and its cost in USD, `None` when the price is unknown.
    pub fn add_call(&mut self, model: &ModelName, tokens: &TokenUsage, cost: Option<f64>) {
        self.llm_calls += 1;
        self.input_tokens += tokens.input_tokens;
        self.output_tokens += tokens.output_tokens;
        self.cached_input_tokens += tokens.cached_input_tokens;
        self.cost_usd += cost.unwrap_or_default();
        self.cost_incomplete |= cost.is_none();
        if !self.models_used.iter().any(|used| used == model.as_str()) {
            self.models_used.push(model.to_string());
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn six_decimals<S: serde::Serializer>(cost: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((cost * 1e6).round() / 1e6)
}
