//! What a run has used so far, held against its limits.
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
};

use tokio::time::Instant;

use agent_gateway_core::{
    execution::{Limits, ModelTurn, Usage},
    id::ModelName,
    message::Message,
};

/// The state of a run between two awaits. It outlives the loop, so that a stop keeps what was reached.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The conversation with the model.
    pub(crate) messages: Vec<Message>,
    /// What is waited for.
    pub(crate) phase: Phase,
    /// What was consumed.
    pub(crate) usage: Usage,
    /// What the model has said of the turn under way.
    pub(crate) draft: String,
    /// The last text that the model wrote.
    pub(crate) last_text: String,
    /// Model turns so far.
    pub(crate) iterations: u32,
    /// Tool calls so far, the refused ones included.
    pub(crate) calls: u32,
    /// When the run's time is up.
    pub(crate) deadline: Instant,
    /// Tool calls that reached their tool. Counted when they begin, so that one that is cut off counts too.
    pub(crate) begun: Arc<AtomicU32>,
}

/// What a run waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing yet.
    Start,
    /// The answer of this model.
    Model(ModelName),
    /// Its tools.
    Tools,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("before it began"),
            Self::Model(name) => write!(f, "while it waited for the model {name}"),
            Self::Tools => f.write_str("while it waited for its tools"),
        }
    }
}

/// How many more tool calls a run may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Budget {
    /// This many.
    Left(u32),
    /// None: the model answers with what it has.
    Spent,
}

impl Progress {
    pub(crate) fn new(messages: Vec<Message>, deadline: Instant) -> Self {
        Self {
            messages,
            phase: Phase::Start,
            usage: Usage::default(),
            draft: String::new(),
            last_text: String::new(),
            iterations: 0,
            calls: 0,
            deadline,
            begun: Arc::default(),
        }
    }

    pub(crate) fn add_turn(&mut self, turn: &ModelTurn) {
        self.iterations += 1;
        self.draft.clear();
        self.usage.add_call(&turn.model, &turn.tokens, turn.cost_usd);
        if !turn.text.is_empty() {
            turn.text.as_ref().clone_into(&mut self.last_text);
        }
    }

    /// Counts a turn of the model that a step of a workflow asked for.
    pub(crate) fn add_step(&mut self, turn: &ModelTurn) {
        self.usage.add_call(&turn.model, &turn.tokens, turn.cost_usd);
    }

    /// Counts calls, the refused ones included.
    pub(crate) fn add_calls(&mut self, calls: usize) {
        self.calls = self.calls.saturating_add(u32::try_from(calls).unwrap_or(u32::MAX));
    }

    pub(crate) fn budget(&self, limits: &Limits) -> Budget {
        match limits.max_tool_calls.saturating_sub(self.calls) {
            0 => Budget::Spent,
            left => Budget::Left(left),
        }
    }
}
