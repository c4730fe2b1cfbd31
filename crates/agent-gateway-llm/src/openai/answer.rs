//! An answer that is being read.
use std::{collections::VecDeque, time::Duration};

use agent_gateway_core::{
    Result,
    ports::model::{Delivery, ModelEvent},
};
use futures::{StreamExt, stream, stream::BoxStream};
use reqwest::{Response, header::CONTENT_TYPE};
use tokio::time::Instant;

use super::{
    assemble::Assembler,
    body::Body,
    chunk::Chunk,
    client::Asked,
    error::{Cause, TimeLimit},
    sse::Decoder,
};

/// The most bytes of an answer in one piece.
pub(super) const MAX_WHOLE_BYTES: usize = 8 * 1024 * 1024;
/// The most bytes of an event stream. Its envelope is many times the text in it, and the text has a bound of its own.
const MAX_STREAM_BYTES: usize = 64 * 1024 * 1024;
/// How long usage may take after the provider said why it stopped.
const TAIL: Duration = Duration::from_secs(5);
/// How long the end of the body may take after the end of the answer.
const DRAIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Answer {
    asked: Asked,
    body: Body,
    form: Form,
    assembler: Assembler,
    ready: VecDeque<ModelEvent>,
    /// Something was said, so that from here on a failure is final.
    begun: bool,
    complete: bool,
}

#[derive(Debug)]
enum Form {
    Whole,
    Events(Decoder),
}

impl Answer {
    pub(super) fn new(asked: Asked, response: Response, deadline: Instant) -> Self {
        let form = form_of(&response, asked.delivery);
        let limit = if matches!(form, Form::Whole) { MAX_WHOLE_BYTES } else { MAX_STREAM_BYTES };
        Self {
            body: Body::new(response, deadline, asked.client.timeouts.total, limit),
            assembler: Assembler::new(asked.model.clone()),
            asked,
            form,
            ready: VecDeque::new(),
            begun: false,
            complete: false,
        }
    }

    /// Reads until there is an event.
    pub(super) async fn begin(&mut self) -> Result<(), Cause> {
        while self.ready.is_empty() && !self.complete {
            self.read().await?;
        }
        self.begun = true;
        Ok(())
    }

    /// The events, from the first one.
    pub(super) fn into_stream(self) -> BoxStream<'static, Result<ModelEvent>> {
        stream::unfold(Some(self), |state| async {
            let mut answer = state?;
            loop {
                if let Some(event) = answer.ready.pop_front() {
                    return Some((Ok(event), Some(answer)));
                }
                if answer.complete {
                    return None;
                }
                if let Err(cause) = answer.read().await {
                    return Some((Err(answer.asked.failed(cause, 1, None)), None));
                }
            }
        })
        .boxed()
    }

    async fn read(&mut self) -> Result<(), Cause> {
        match self.form {
            Form::Whole => self.read_whole().await,
            Form::Events(_) => self.read_events().await,
        }
    }

    async fn read_whole(&mut self) -> Result<(), Cause> {
        let idle = self.asked.client.timeouts.idle;
        let bytes = self.body.whole(self.first_wait(), idle).await?;
        let chunk = parse(&bytes)?;
        self.assembler.whole(chunk, self.asked.client.key(), &mut self.ready)?;
        self.assembler.finish(&mut self.ready)?;
        self.complete = true;
        Ok(())
    }

    async fn read_events(&mut self) -> Result<(), Cause> {
        let piece = match self.body.next(self.wait()).await {
            Ok(piece) => piece,
            // The answer is complete; only the number of tokens is lost.
            Err(_) if self.assembler.has_reason() => None,
            Err(cause) => return Err(cause),
        };
        let Form::Events(decoder) = &mut self.form else { return Ok(()) };
        let Some(piece) = piece else {
            let done = is_done(decoder.remainder());
            return if done || self.assembler.has_reason() { self.finish() } else { Err(Cause::CutOff) };
        };
        let mut done = false;
        let (assembler, ready, key) = (&mut self.assembler, &mut self.ready, self.asked.client.key());
        decoder.push(&piece, |payload| {
            if done || is_done(payload) {
                done = true;
                return Ok(());
            }
            assembler.event(parse(payload)?, key, ready)
        })?;
        if done {
            self.finish()?;
            self.body.drain(DRAIN).await;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Cause> {
        self.complete = true;
        self.assembler.finish(&mut self.ready)
    }

    /// How long the next piece may take.
    fn wait(&self) -> Option<(TimeLimit, Duration)> {
        let idle = self.asked.client.timeouts.idle;
        if self.assembler.has_reason() {
            return Some((TimeLimit::Idle, idle.min(TAIL)));
        }
        if self.begun { Some((TimeLimit::Idle, idle)) } else { self.first_wait() }
    }

    fn first_wait(&self) -> Option<(TimeLimit, Duration)> {
        self.asked.first_wait()
    }
}

/// By what the provider says it sends, and by what was asked where it says nothing useful.
fn form_of(response: &Response, delivery: Delivery) -> Form {
    let stated =
        response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let stated = stated.to_ascii_lowercase();
    if stated.starts_with("text/event-stream") {
        Form::Events(Decoder::default())
    } else if stated.starts_with("application/json") || delivery == Delivery::Whole {
        Form::Whole
    } else {
        Form::Events(Decoder::default())
    }
}

fn is_done(payload: &[u8]) -> bool {
    payload.trim_ascii() == b"[DONE]"
}

fn parse(bytes: &[u8]) -> Result<Chunk, Cause> {
    serde_json::from_slice(bytes).map_err(|error| {
        let place = match error.classify() {
            serde_json::error::Category::Data => "JSON of another shape",
            _ => "no JSON",
        };
        Cause::garbage(format!("{place} at line {}, column {}", error.line(), error.column()))
    })
}
