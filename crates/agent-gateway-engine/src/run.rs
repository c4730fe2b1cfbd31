//! What one run is given.
use std::{fmt, sync::Arc};

use agent_gateway_core::{
    Error, Result,
    clock::Clock,
    execution::{Limits, LogEvent},
    message::Message,
    ports::model::{Delivery, LanguageModel},
    tool::ToolContext,
};
use async_trait::async_trait;

use crate::{AgentPlan, Delegator, ModelPlan, OutputSchema, Past};

/// One run, with every default applied.
#[derive(Debug)]
pub struct Run {
    /// The agent.
    pub agent: Arc<AgentPlan>,
    /// What it is told.
    pub message: Arc<str>,
    /// What its tools are told; the structured input is `context.metadata`.
    pub context: ToolContext,
    /// The models that it asks.
    pub model: ModelPlan,
    /// What its user wants of it beside that.
    pub instructions: Option<Arc<str>>,
    /// What it may use.
    pub limits: Limits,
    /// What its answer must fit.
    pub output_schema: Option<Arc<OutputSchema>>,
    /// Whether it stands alone or is a turn of a conversation.
    pub setting: Setting,
    /// Whether the model's text is wanted piece by piece.
    pub delivery: Delivery,
    /// What earlier attempts got done.
    pub past: Past,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub enum Setting {
    /// Alone.
    Single,
    /// In a conversation that went like this before; see [`window`](crate::window).
    Conversation(Vec<Message>),
}

/// What a run needs from outside.
#[derive(Clone, Copy, Debug)]
pub struct Ports<'a> {
    /// Answers.
    pub model: &'a dyn LanguageModel,
    /// Runs what it hands to other agents.
    pub delegator: &'a dyn Delegator,
    /// Remembers.
    pub recorder: &'a dyn Recorder,
    /// Tells the time.
    pub clock: &'a dyn Clock,
}

impl Ports<'_> {
    /// Records an event. What the store says of a failure is for the log; the run's error is a public sentence.
    pub(crate) async fn record(&self, event: LogEvent) -> Result<()> {
        self.recorder.record(event).await.map_err(|error| {
            tracing::error!(error = ?error, "the run log could not be written");
            Error::unavailable("the run log could not be written").caused_by(error)
        })
    }
}

/// Keeps the run log.
#[async_trait]
pub trait Recorder: fmt::Debug + Send + Sync {
    /// Stores the event behind those before it. The run goes on only when this answers; an error ends the run.
    async fn record(&self, event: LogEvent) -> Result<()>;

    /// Takes a piece of the text of the model turn under way. It does not wait for a store: what is lost of it in a crash is
    /// said again. The turn itself is recorded when it is whole.
    fn say(&self, piece: &Arc<str>);
}
