//! What the server is told to answer.
use std::time::Duration;

use serde_json::Value;

/// One answer. Made by a constructor that says what, changed by methods that say how.
#[derive(Clone, Debug)]
#[must_use]
pub struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) content: Content,
    pub(super) form: Form,
    pub(super) end: End,
    pub(super) delay: Duration,
    pub(super) usage: Usage,
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    Answer { text: String, calls: Vec<(String, String)> },
    Failure { message: String },
    Bytes(Vec<u8>),
    Events(Vec<String>),
    Pieces { content_type: &'static str, pieces: Vec<Vec<u8>> },
    Nothing,
}

/// Whether the answer comes in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    AsAsked,
    Whole,
    Streamed,
}

/// How the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    CutAfter(usize),
    StallAfter(usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) input: u64,
    pub(super) output: u64,
    pub(super) cached: u64,
}

impl Reply {
    fn of(status: u16, content: Content) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content,
            form: Form::AsAsked,
            end: End::Complete,
            delay: Duration::ZERO,
            usage: Usage { input: 10, output: 5, cached: 0 },
            model: None,
            finish_reason: None,
        }
    }

    /// An answer of text; streamed, it comes word by word.
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(200, Content::Answer { text: text.into(), calls: Vec::new() })
    }

    /// An answer that asks for tools: name and arguments. A JSON string is sent as the arguments' text, so that broken
    /// arguments can be scripted. Streamed, the pieces of several calls are interleaved.
    pub fn tool_calls<N: Into<String>>(calls: impl IntoIterator<Item = (N, Value)>) -> Self {
        let as_text = |arguments| match arguments {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let calls = calls.into_iter().map(|(name, arguments)| (name.into(), as_text(arguments))).collect();
        Self::of(200, Content::Answer { text: String::new(), calls })
    }

    /// An error with this status and the wire's error envelope.
    pub fn status(status: u16) -> Self {
        Self::of(status, Content::Failure { message: format!("scripted {status}") })
    }

    /// These bytes with status 200, under the content type that the request would get.
    pub fn garbage(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(200, Content::Bytes(bytes.into()))
    }

    /// An event stream of exactly these payloads, then `[DONE]`.
    pub fn events(payloads: impl IntoIterator<Item = Value>) -> Self {
        let payloads = payloads.into_iter().map(|payload| payload.to_string()).collect();
        Self::of(200, Content::Events(payloads)).streamed()
    }

    /// Exactly these pieces of a body under `content_type`, for wires that are not the OpenAI-compatible one.
    pub fn pieces<P: Into<Vec<u8>>>(content_type: &'static str, pieces: impl IntoIterator<Item = P>) -> Self {
        let pieces = pieces.into_iter().map(Into::into).collect();
        Self::of(200, Content::Pieces { content_type, pieces })
    }

    /// A text whose connection is cut after `chunks` pieces of the body.
    pub fn cut_after(chunks: usize) -> Self {
        Self::text("this answer never comes to its end because its connection is cut").cut(chunks)
    }

    /// No answer at all, until the client goes away.
    pub fn hang() -> Self {
        Self::of(200, Content::Nothing)
    }

    /// Adds a response header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the status.
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Puts a text before the tool calls, or sets the message of an error.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        match &mut self.content {
            Content::Answer { text, .. } | Content::Failure { message: text } => *text = message.into(),
            Content::Bytes(_) | Content::Events(_) | Content::Pieces { .. } | Content::Nothing => {}
        }
        self
    }

    /// Sets the tokens read and written; 10 and 5 otherwise.
    pub fn usage(mut self, input: u64, output: u64) -> Self {
        self.usage = Usage { input, output, ..self.usage };
        self
    }

    /// Sets how many of the tokens read came from the cache.
    pub fn cached(mut self, cached: u64) -> Self {
        self.usage.cached = cached;
        self
    }

    /// Sets the model that the answer names; the one asked for otherwise.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the finish reason; `tool_calls` or `stop` otherwise.
    pub fn finish_reason(mut self, reason: impl Into<String>) -> Self {
        self.finish_reason = Some(reason.into());
        self
    }

    /// Answers in one JSON document even where a stream was asked for.
    pub fn whole(mut self) -> Self {
        self.form = Form::Whole;
        self
    }

    /// Answers as an event stream even where none was asked for.
    pub fn streamed(mut self) -> Self {
        self.form = Form::Streamed;
        self
    }

    /// Cuts the connection after this many pieces of the body. An answer in one piece counts as four.
    pub fn cut(mut self, chunks: usize) -> Self {
        self.end = End::CutAfter(chunks);
        self
    }

    /// Ends the body in good order after this many of its [`pieces`](Self::pieces).
    pub fn shortened(mut self, count: usize) -> Self {
        if let Content::Pieces { pieces, .. } = &mut self.content {
            pieces.truncate(count);
        }
        self
    }

    /// Goes silent after this many pieces of the body, until the client goes away. Counts as [`cut`](Self::cut) does.
    pub fn stall(mut self, chunks: usize) -> Self {
        self.end = End::StallAfter(chunks);
        self
    }

    /// Waits before the first byte.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}
