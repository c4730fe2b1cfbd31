//! Language models. There is one call, a stream; the whole answer is a fold over it.
use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Error, Result,
    capability::ModelCapability,
    id::ModelName,
    message::{Arguments, Message, TokenUsage, ToolCall},
    tool::ToolSpec,
};

/// What a model is asked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ModelRequest {
    /// Which model.
    pub model: ModelName,
    /// The conversation, system prompt first.
    pub messages: Vec<Message>,
    /// The tools that it may call.
    pub tools: Arc<[Arc<ToolSpec>]>,
    /// The temperature; absent: the provider's default.
    pub temperature: Option<f64>,
    /// The most tokens of the answer; absent: the provider's default.
    pub max_tokens: Option<u32>,
    /// Whether the answer is wanted piece by piece.
    pub delivery: Delivery,
    /// The JSON Schema that the text of the answer is to fit; absent: any text.
    pub output_schema: Option<Arc<Value>>,
}

impl ModelRequest {
    /// A request without tools and settings.
    #[must_use]
    pub fn new(model: ModelName, messages: Vec<Message>) -> Self {
        Self {
            model,
            messages,
            tools: Arc::from([]),
            temperature: None,
            max_tokens: None,
            delivery: Delivery::Whole,
            output_schema: None,
        }
    }
}

/// How the answer is wanted. Both give the same events; `Whole` lets a provider send them in one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// All at once.
    #[default]
    Whole,
    /// As it is made.
    Incremental,
}

/// A piece of an answer, in order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelEvent {
    /// Text.
    Text(Arc<str>),
    /// A tool call begins. Its index is its place among the calls of this answer.
    ToolCallStarted {
        /// The call's place.
        index: usize,
        /// The provider's id; empty when it gives none.
        id: Arc<str>,
        /// The tool's name.
        name: Arc<str>,
    },
    /// A piece of a call's arguments.
    ToolCallDelta {
        /// The call's place.
        index: usize,
        /// The piece.
        arguments: Arc<str>,
    },
    /// The end of the answer. A stream that ends without it was cut off.
    Finished {
        /// The model, as the provider names it.
        model: ModelName,
        /// What was consumed.
        usage: TokenUsage,
        /// Why the model stopped.
        reason: FinishReason,
    },
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said everything.
    Stop,
    /// It wants tools called.
    ToolCalls,
    /// The limit of tokens was reached.
    Length,
    /// The provider's filter stepped in.
    Filtered,
    /// Another reason.
    Other,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The model, as the provider names it.
    pub model: ModelName,
    /// The text.
    pub text: Arc<str>,
    /// The calls it asks for, in order, each with an id.
    pub tool_calls: Vec<ToolCall>,
    /// What was consumed.
    pub usage: TokenUsage,
    /// Why the model stopped.
    pub reason: FinishReason,
}

/// Answers requests.
#[async_trait]
pub trait LanguageModel: fmt::Debug + Send + Sync + 'static {
    /// What the model can do and what it costs. Does not block.
    fn capability(&self, model: &ModelName) -> ModelCapability;

    /// Whether a request for this model would reach a provider; an error says what to set. Does not block. A model that
    /// answers to every name has nothing to add.
    fn check(&self, _model: &ModelName) -> Result<()> {
        Ok(())
    }

    /// Asks the model.
    ///
    /// - Retries and fallbacks happen inside, and only before the first event.
    /// - The stream ends with exactly one `Finished`, or with an error; after either there is nothing more.
    /// - A stream of the provider's that ends early is an error (`Unavailable`), never a short answer.
    /// - Dropping the stream stops the call.
    /// - Errors carry a public sentence as their message and never a credential.
    /// - An `output_schema` is a wish: it goes to the provider as far as [`capability`](Self::capability) says, and is left out
    ///   where the provider cannot take it or refuses it. It is never a reason to fail, and the text may still miss it: whoever
    ///   asks checks the answer, and tells the model in words as well.
    async fn stream(&self, request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>>;
}

/// Folds a stream into a whole answer, and bounds what a provider can make us hold.
#[derive(Debug, Default)]
pub struct CompletionFold {
    text: String,
    calls: Vec<(Arc<str>, Arc<str>, String)>,
    finished: Option<(ModelName, TokenUsage, FinishReason)>,
}

/// The most tool calls in one answer.
pub const MAX_CALLS_PER_ANSWER: usize = 128;
/// The most bytes of text and arguments in one answer.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

impl CompletionFold {
    /// Takes one event in. A call out of order, or an answer over the bounds, is `Unexpected`.
    pub fn push(&mut self, event: &ModelEvent) -> Result<()> {
        match event {
            ModelEvent::Text(text) => self.text.push_str(text),
            ModelEvent::ToolCallStarted { index, id, name } => {
                if *index != self.calls.len() || *index >= MAX_CALLS_PER_ANSWER {
                    return Err(Error::unexpected("the model's answer numbers its tool calls wrongly")
                        .with("index", index)
                        .with("calls so far", self.calls.len()));
                }
                self.calls.push((id.clone(), name.clone(), String::new()));
            }
            ModelEvent::ToolCallDelta { index, arguments } => match self.calls.get_mut(*index) {
                Some((_, _, text)) => text.push_str(arguments),
                None => {
                    return Err(Error::unexpected(
                        "the model's answer continues a tool call that never began",
                    )
                    .with("index", index));
                }
            },
            ModelEvent::Finished { model, usage, reason } => {
                self.finished = Some((model.clone(), *usage, *reason));
            }
        }
        let held = self.text.len() + self.calls.iter().map(|(_, _, text)| text.len()).sum::<usize>();
        if held > MAX_ANSWER_BYTES {
            return Err(
                Error::too_large("the model's answer is too large").with("limit in bytes", MAX_ANSWER_BYTES)
            );
        }
        Ok(())
    }

    /// The whole answer; `Unavailable` when the stream was cut off.
    pub fn finish(self) -> Result<Completion> {
        let Some((model, usage, reason)) = self.finished else {
            return Err(Error::unavailable("the model's answer was cut off before its end"));
        };
        let call = |(place, (id, name, text)): (usize, (Arc<str>, Arc<str>, String))| ToolCall {
            id: if id.is_empty() { format!("call_{place}").into() } else { id },
            name,
            arguments: Arguments::parse(&text),
        };
        let mut tool_calls: Vec<ToolCall> = self.calls.into_iter().enumerate().map(call).collect();
        // What belongs to a call is found by its id, so that no two of one answer may share one.
        for place in 1..tool_calls.len() {
            let is_taken = |id: &str| {
                tool_calls.iter().enumerate().any(|(other, call)| other != place && *call.id == *id)
            };
            if tool_calls[..place].iter().any(|earlier| earlier.id == tool_calls[place].id) {
                let held = tool_calls[place].id.clone();
                let free = (place..).map(|number| format!("{held}_{number}")).find(|id| !is_taken(id));
                tool_calls[place].id = free.unwrap_or_default().into();
            }
        }
        Ok(Completion { model, text: self.text.into(), tool_calls, usage, reason })
    }
}

/// Conveniences on every model. They cannot be overridden.
#[async_trait]
pub trait ModelExt: LanguageModel {
    /// Asks the model and waits for the whole answer.
    async fn complete(&self, request: ModelRequest) -> Result<Completion> {
        let mut events = self.stream(request).await?;
        let mut fold = CompletionFold::default();
        while let Some(event) = events.next().await {
            fold.push(&event?)?;
        }
        fold.finish()
    }
}

impl<M: LanguageModel + ?Sized> ModelExt for M {}

/// The declaration of a tool in the function form that most providers take.
#[must_use]
pub fn function_declaration(spec: &ToolSpec) -> Value {
    serde_json::json!({
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.parameters},
    })
}
