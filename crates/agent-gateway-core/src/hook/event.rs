//! What observers are told.
use std::{fmt, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use crate::{
    Error, JsonMap, Result,
    execution::Outcome,
    id::{AgentId, ExecutionId, ModelName},
};

/// Something that observers can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// An execution begins.
    AgentInvokeBefore,
    /// An execution has ended, in whatever way.
    AgentInvokeAfter,
    /// A tool is called.
    ToolExecuteBefore,
    /// A tool has answered or failed.
    ToolExecuteAfter,
    /// A model is asked.
    LlmCallBefore,
    /// A model has answered or failed.
    LlmCallAfter,
    /// The gateway has started.
    GatewayStartup,
    /// The gateway has shut down.
    GatewayShutdown,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AgentInvokeBefore,
        Self::AgentInvokeAfter,
        Self::ToolExecuteBefore,
        Self::ToolExecuteAfter,
        Self::LlmCallBefore,
        Self::LlmCallAfter,
        Self::GatewayStartup,
        Self::GatewayShutdown,
    ];

    /// Its name, such as `agent.invoke.before`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AgentInvokeBefore => "agent.invoke.before",
            Self::AgentInvokeAfter => "agent.invoke.after",
            Self::ToolExecuteBefore => "tool.execute.before",
            Self::ToolExecuteAfter => "tool.execute.after",
            Self::LlmCallBefore => "llm.call.before",
            Self::LlmCallAfter => "llm.call.after",
            Self::GatewayStartup => "gateway.startup",
            Self::GatewayShutdown => "gateway.shutdown",
        }
    }

    /// Reads a name. An unknown one is `Invalid`.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Error::invalid(format!("there is no event of this name; the events are {known}"))
                .with("event", name)
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An event with its facts. Its JSON is an object with the names of the fields; cloning is cheap.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Occurrence {
    /// An execution begins.
    AgentInvokeBefore(AgentInvokeBefore),
    /// An execution has ended.
    AgentInvokeAfter(AgentInvokeAfter),
    /// A tool is called.
    ToolExecuteBefore(ToolExecuteBefore),
    /// A tool has answered or failed.
    ToolExecuteAfter(ToolExecuteAfter),
    /// A model is asked.
    LlmCallBefore(LlmCallBefore),
    /// A model has answered or failed.
    LlmCallAfter(LlmCallAfter),
    /// The gateway has started.
    GatewayStartup {},
    /// The gateway has shut down.
    GatewayShutdown {},
}

impl Occurrence {
    /// The event.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Self::AgentInvokeBefore(_) => Event::AgentInvokeBefore,
            Self::AgentInvokeAfter(_) => Event::AgentInvokeAfter,
            Self::ToolExecuteBefore(_) => Event::ToolExecuteBefore,
            Self::ToolExecuteAfter(_) => Event::ToolExecuteAfter,
            Self::LlmCallBefore(_) => Event::LlmCallBefore,
            Self::LlmCallAfter(_) => Event::LlmCallAfter,
            Self::GatewayStartup {} => Event::GatewayStartup,
            Self::GatewayShutdown {} => Event::GatewayShutdown,
        }
    }

    /// The execution that it happened in; `None` for what happens to the gateway.
    #[must_use]
    pub fn execution_id(&self) -> Option<&ExecutionId> {
        match self {
            Self::AgentInvokeBefore(facts) => Some(&facts.execution_id),
            Self::AgentInvokeAfter(facts) => Some(&facts.execution_id),
            Self::ToolExecuteBefore(facts) => Some(&facts.execution_id),
            Self::ToolExecuteAfter(facts) => Some(&facts.execution_id),
            Self::LlmCallBefore(facts) => Some(&facts.execution_id),
            Self::LlmCallAfter(facts) => Some(&facts.execution_id),
            Self::GatewayStartup {} | Self::GatewayShutdown {} => None,
        }
    }
}

/// An execution begins. One that goes on after a crash or a suspension has begun already.
#[derive(Clone, Debug, Serialize)]
pub struct AgentInvokeBefore {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// What the caller said.
    pub message: Arc<str>,
}

/// An execution has ended: with an answer, failed, cancelled, or out of time.
#[derive(Clone, Debug, Serialize)]
pub struct AgentInvokeAfter {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// What the caller said.
    pub message: Arc<str>,
    /// How it ended.
    pub result: Arc<Outcome>,
    /// How long this attempt took.
    pub duration_ms: u64,
    /// Whether its status is `completed`.
    pub success: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A tool is called. Calls that are refused before they reach their tool are not told.
#[derive(Clone, Debug, Serialize)]
pub struct ToolExecuteBefore {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// The tool.
    pub tool_name: Arc<str>,
    /// The call's id within its turn.
    pub call_id: Arc<str>,
    /// The arguments, defaults filled in.
    pub arguments: Arc<JsonMap>,
}

/// A tool has answered or failed, and the result is recorded.
#[derive(Clone, Debug, Serialize)]
pub struct ToolExecuteAfter {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// The tool.
    pub tool_name: Arc<str>,
    /// The call's id within its turn.
    pub call_id: Arc<str>,
    /// The result as it is recorded; of a failed call `{"error": ..}`.
    pub result: Arc<Value>,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether the tool succeeded.
    pub success: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A model is asked.
#[derive(Clone, Debug, Serialize)]
pub struct LlmCallBefore {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// The model.
    pub model: ModelName,
}

/// A model has answered or failed.
#[derive(Clone, Debug, Serialize)]
pub struct LlmCallAfter {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// The model that was asked.
    pub model: ModelName,
    /// How long it took.
    pub duration_ms: u64,
    /// Tokens read; 0 when it failed.
    pub input_tokens: u64,
    /// Tokens written; 0 when it failed.
    pub output_tokens: u64,
    /// Whether it answered.
    pub success: bool,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
