//! What is asked. Every protocol builds this one request.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    JsonMap,
    id::{AgentId, ExecutionId, IdempotencyKey, ScheduleId},
    ports::model::Delivery,
    principal::Principal,
};

/// A request to run something. Nothing in it came from inside `input`: origin and options are fields of their own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExecutionRequest {
    /// What runs.
    pub target: Target,
    /// What it is told, 1 to 102 400 characters.
    pub message: String,
    /// The structured input.
    pub input: JsonMap,
    /// How the caller takes the answer.
    pub mode: Mode,
    /// Whether the caller wants the answer piece by piece. A queued run has nobody to send the pieces to.
    pub delivery: Delivery,
    /// Who started it, and why.
    pub origin: Origin,
    /// Settings of this run alone.
    pub options: RunOptions,
    /// On whose behalf it runs.
    pub principal: Principal,
    /// Makes a repeated request run once.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl ExecutionRequest {
    /// A request to `agent`, which waits or is queued as the agent says.
    pub fn new(agent: AgentId, message: impl Into<String>, principal: Principal, origin: Origin) -> Self {
        Self {
            target: Target::Agent(agent),
            message: message.into(),
            input: JsonMap::new(),
            mode: Mode::AsAgent,
            delivery: Delivery::Whole,
            origin,
            options: RunOptions::default(),
            principal,
            idempotency_key: None,
        }
    }

    /// With structured input.
    #[must_use]
    pub fn input(mut self, input: JsonMap) -> Self {
        self.input = input;
        self
    }

    /// With another way of taking the answer.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// With another form of the answer.
    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// With settings of this run.
    #[must_use]
    pub fn options(mut self, options: RunOptions) -> Self {
        self.options = options;
        self
    }
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// One agent.
    Agent(AgentId),
}

/// How the caller takes the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mode {
    /// As the agent's `execution_mode` says.
    AsAgent,
    /// Waits for the whole answer.
    Wait,
    /// Comes back for it: the run goes through the queue.
    Detach,
}

/// Who started an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// The REST API.
    Http,
    /// The application that embeds the gateway.
    Library,
    /// The command line.
    Cli,
    /// A schedule that fired.
    Schedule {
        /// Which one.
        id: ScheduleId,
        /// Its name.
        name: String,
        /// Its instructions for the prompt.
        instructions: Option<String>,
    },
    /// Another execution.
    Delegation(Lineage),
}

/// The place of a child in a tree of delegations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The execution that delegated.
    pub parent: ExecutionId,
    /// The first execution of the tree.
    pub root: ExecutionId,
    /// How many delegations lie above the child, at least 1.
    pub depth: u32,
}

/// Settings of one run; what is absent comes from the agent or the gateway.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunOptions {
    /// How long it may take, 1 000 to 300 000 ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The JSON Schema that the answer must fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
}
