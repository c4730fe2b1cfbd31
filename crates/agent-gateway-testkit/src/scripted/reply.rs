use std::{collections::VecDeque, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind,
    id::ModelName,
    message::TokenUsage,
    ports::model::{Delivery, FinishReason, ModelEvent},
};
use serde_json::Value;

/// What a [`ScriptedModel`](super::ScriptedModel) answers to one request.
#[derive(Clone, Debug)]
pub struct Reply {
    pub(super) delay: Duration,
    text: String,
    calls: Vec<(String, String)>,
    usage: TokenUsage,
    reason: Option<FinishReason>,
    end: End,
}

/// How an answer ends.
#[derive(Clone, Debug)]
enum End {
    Finished,
    CutOff,
    Hang,
    Error(ErrorKind, String),
    Refused(ErrorKind, String),
}

/// One thing that the stream does.
#[derive(Debug)]
pub(super) enum Step {
    Event(ModelEvent),
    Fail(Error),
    Hang,
}

impl Reply {
    /// A whole answer of `text`, without calls, with a usage of 10 tokens read and 5 written.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            delay: Duration::ZERO,
            text: text.into(),
            calls: Vec::new(),
            usage: TokenUsage { input_tokens: 10, output_tokens: 5, cached_input_tokens: 0 },
            reason: None,
            end: End::Finished,
        }
    }

    /// An answer without text that asks for these calls, in order; their ids are `call_0`, `call_1` and so on.
    pub fn calls<N: Into<String>>(calls: impl IntoIterator<Item = (N, Value)>) -> Self {
        calls.into_iter().fold(Self::text(""), |reply, (name, arguments)| reply.call(name, &arguments))
    }

    /// The request is refused with an error before any event.
    pub fn error(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { end: End::Refused(kind, message.into()), ..Self::text("") }
    }

    /// The stream hands out `text` and ends without `Finished`, as a faulty client would let it.
    pub fn cut_off(text: impl Into<String>) -> Self {
        Self { end: End::CutOff, ..Self::text(text) }
    }

    /// The stream never says anything until it is dropped.
    #[must_use]
    pub fn hang() -> Self {
        Self { end: End::Hang, ..Self::text("") }
    }

    /// Asks for one more call.
    #[must_use]
    pub fn call(self, name: impl Into<String>, arguments: &Value) -> Self {
        self.raw_call(name, arguments.to_string())
    }

    /// Asks for one more call with arguments as the model wrote them, which may be no JSON at all.
    #[must_use]
    pub fn raw_call(mut self, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        self.calls.push((name.into(), arguments.into()));
        self
    }

    /// Waits this long before the stream exists.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// With this usage.
    #[must_use]
    pub fn usage(mut self, usage: TokenUsage) -> Self {
        self.usage = usage;
        self
    }

    /// With this reason to stop, instead of `ToolCalls` where there are calls and `Stop` where there are none.
    #[must_use]
    pub fn reason(mut self, reason: FinishReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Says what it has and then fails in the middle of the stream.
    #[must_use]
    pub fn then_error(mut self, kind: ErrorKind, message: impl Into<String>) -> Self {
        self.end = End::Error(kind, message.into());
        self
    }

    /// Says what it has and then nothing more until it is dropped.
    #[must_use]
    pub fn then_hang(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    /// The steps of the stream, or the error that takes its place.
    pub(super) fn play(self, model: ModelName, delivery: Delivery) -> Result<VecDeque<Step>, Error> {
        if let End::Refused(kind, message) = self.end {
            return Err(Error::new(kind, message));
        }
        let mut steps = VecDeque::new();
        let mut say = |event| steps.push_back(Step::Event(event));
        for piece in pieces(&self.text, delivery) {
            say(ModelEvent::Text(piece.into()));
        }
        for (index, (name, arguments)) in self.calls.iter().enumerate() {
            let id = format!("call_{index}").into();
            say(ModelEvent::ToolCallStarted { index, id, name: name.as_str().into() });
            for piece in pieces(arguments, delivery) {
                say(ModelEvent::ToolCallDelta { index, arguments: piece.into() });
            }
        }
        let natural = if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let reason = self.reason.unwrap_or(natural);
        match self.end {
            End::Finished => say(ModelEvent::Finished { model, usage: self.usage, reason }),
            End::Hang => steps.push_back(Step::Hang),
            End::Error(kind, message) => steps.push_back(Step::Fail(Error::new(kind, message))),
            End::CutOff | End::Refused(..) => {}
        }
        Ok(steps)
    }
}

/// The whole text, or its words where it is wanted piece by piece; nothing for an empty text.
fn pieces(text: &str, delivery: Delivery) -> Vec<&str> {
    match delivery {
        _ if text.is_empty() => Vec::new(),
        Delivery::Whole => vec![text],
        Delivery::Incremental => text.split_inclusive(' ').collect(),
    }
}
