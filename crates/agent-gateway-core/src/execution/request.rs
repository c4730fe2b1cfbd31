//! What is asked. Every protocol builds this one request.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Guardrails;
use crate::{
    JsonMap,
    id::{AgentId, ConversationId, ExecutionId, IdempotencyKey, ModelName, ScheduleId},
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
    /// Who started it, and why.
    pub origin: Origin,
    /// Settings of this run alone.
    pub options: RunOptions,
    /// On whose behalf it runs.
    pub principal: Principal,
    /// The conversation that it is a turn of.
    pub thread: Thread,
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
            origin,
            options: RunOptions::default(),
            principal,
            thread: Thread::None,
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
        self.options.delivery = delivery;
        self
    }

    /// As a turn of a conversation.
    #[must_use]
    pub fn thread(mut self, thread: Thread) -> Self {
        self.thread = thread;
        self
    }

    /// With another rule for a caller that goes away.
    #[must_use]
    pub fn departure(mut self, departure: Departure) -> Self {
        self.options.departure = departure;
        self
    }

    /// With a key that makes a repeated request run once.
    #[must_use]
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.idempotency_key = Some(key);
        self
    }

    /// With settings of this run, in the place of all that were set before.
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

/// The conversation that a run is a turn of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thread {
    /// None: the run stands alone.
    None,
    /// A new one.
    New,
    /// This one.
    Existing(ConversationId),
}

/// What becomes of a run whose caller goes away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Departure {
    /// It is cancelled.
    #[default]
    Cancels,
    /// It goes on, and its events can be read later.
    Detaches,
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
    /// Limits of this run, which are lower than those of its agent; others have no effect.
    #[serde(skip_serializing_if = "is_default")]
    pub guardrails: Guardrails,
    /// Another model than the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelName>,
    /// Another temperature than the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Another bound of the tokens of one answer than the agent's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The JSON Schema that the answer must fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
    /// Whether the answer was asked for piece by piece; an attempt that goes on after a crash sends pieces too.
    #[serde(skip_serializing_if = "is_default")]
    pub delivery: Delivery,
    /// Whether somebody may come back for it.
    #[serde(skip_serializing_if = "is_default")]
    pub departure: Departure,
}

impl RunOptions {
    /// The answer must fit this JSON Schema; it wins over the agent's.
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// The answer must be a `T`; this wins over the agent's schema.
    #[must_use]
    pub fn output_type<T: schemars::JsonSchema>(self) -> Self {
        self.output_schema(crate::schema::of::<T>())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
