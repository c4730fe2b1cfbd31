//! What a run has used so far, held against its limits.
use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::time::Instant;

use agent_gateway_core::{
    Error,
    execution::{Limits, ModelTurn, StopReason, Usage},
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
    /// Tool calls so far, the refused ones and those of workflows included.
    pub(crate) calls: Arc<AtomicU32>,
    /// When the run's time is up.
    pub(crate) deadline: Instant,
    /// Tool calls that reached their tool. Counted when they begin, so that one that is cut off counts too.
    pub(crate) begun: Arc<AtomicU32>,
    /// What workflows under way asked of the model, until the usage has it.
    pub(crate) questions: Arc<Questions>,
    /// What the last turn read, as a measure for the next one.
    pub(crate) measured: Option<Measured>,
    /// The limit that cut the last turn off.
    pub(crate) cut_by: Option<StopReason>,
}

/// What a request came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Its bytes.
    pub(crate) bytes: u64,
    /// Its tokens, as the provider counted them.
    pub(crate) tokens: u64,
}

/// Why the loop is left before the model has answered.
#[derive(Debug)]
pub(crate) enum Halt {
    /// For this reason, with a public sentence where that says more.
    At(StopReason, Option<String>),
    /// The model or the store failed.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Turns of the model that steps of workflows asked for. Several workflows may ask at the same time.
#[derive(Debug, Default)]
pub(crate) struct Questions(Mutex<Vec<ModelTurn>>);

impl Questions {
    /// Notes one.
    pub(crate) fn add(&self, turn: ModelTurn) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(turn);
    }

    fn take(&self) -> Vec<ModelTurn> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
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
    pub(crate) fn new(deadline: Instant) -> Self {
        Self {
            messages: Vec::new(),
            phase: Phase::Start,
            usage: Usage::default(),
            draft: String::new(),
            last_text: String::new(),
            iterations: 0,
            calls: Arc::default(),
            deadline,
            begun: Arc::default(),
            questions: Arc::default(),
            measured: None,
            cut_by: None,
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

    /// Counts what workflows have asked of the model since this was called last.
    pub(crate) fn add_questions(&mut self) {
        for turn in self.questions.take() {
            self.add_step(&turn);
        }
    }

    /// Counts calls, the refused ones included.
    pub(crate) fn add_calls(&mut self, calls: usize) {
        count(&self.calls, u32::try_from(calls).unwrap_or(u32::MAX));
    }

    /// Tool calls so far.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn budget(&self, limits: &Limits) -> Budget {
        left(limits, self.calls())
    }
}

/// Counts calls, and answers how many there were before them.
pub(crate) fn count(calls: &AtomicU32, more: u32) -> u32 {
    let add = |calls: u32| Some(calls.saturating_add(more));
    calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or(u32::MAX)
}

/// What is left after so many calls.
pub(crate) fn left(limits: &Limits, calls: u32) -> Budget {
    match limits.max_tool_calls.saturating_sub(calls) {
        0 => Budget::Spent,
        left => Budget::Left(left),
    }
}
