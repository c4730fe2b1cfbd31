//! What a run has used so far, held against its limits.
use std::sync::{Arc, atomic::AtomicU32};

use agent_gateway_core::{
    execution::{Limits, ModelTurn, Usage},
    message::Message,
};

/// The state of a run between two awaits. It outlives the loop, so that a stop keeps what was reached.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The conversation with the model.
    pub(crate) messages: Vec<Message>,
    /// What was consumed.
    pub(crate) usage: Usage,
    /// The last text that the model wrote.
    pub(crate) last_text: String,
    /// Model turns so far.
    pub(crate) iterations: u32,
    /// Tool calls so far, the refused ones included.
    pub(crate) calls: u32,
    /// Tool calls that reached their tool. Counted when they begin, so that one that is cut off counts too.
    pub(crate) begun: Arc<AtomicU32>,
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
    pub(crate) fn new(messages: Vec<Message>) -> Self {
        Self {
            messages,
            usage: Usage::default(),
            last_text: String::new(),
            iterations: 0,
            calls: 0,
            begun: Arc::default(),
        }
    }

    pub(crate) fn add_turn(&mut self, turn: &ModelTurn) {
        self.iterations += 1;
        self.usage.add_call(&turn.model, &turn.tokens, turn.cost_usd);
        if !turn.text.is_empty() {
            turn.text.as_ref().clone_into(&mut self.last_text);
        }
    }

    pub(crate) fn budget(&self, limits: &Limits) -> Budget {
        match limits.max_tool_calls.saturating_sub(self.calls) {
            0 => Budget::Spent,
            left => Budget::Left(left),
        }
    }
}
