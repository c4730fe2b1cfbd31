//! An answer that is being read.
use std::{collections::VecDeque, sync::Arc};

use agent_gateway_core::{
    Result,
    ports::model::{FinishReason, ModelEvent},
};
use futures::{StreamExt, stream, stream::BoxStream};
use genai::chat::{ChatStreamEvent, StreamEnd};
use tokio::time::{Instant, timeout_at};

use crate::{
    assemble::Assembler,
    error::{Cause, TimeLimit},
    frames::{Frames, MAX_FRAME_BYTES},
    model::Asked,
    quiet::Quiet,
};

type Events = Quiet<BoxStream<'static, genai::Result<ChatStreamEvent>>>;

pub(crate) struct Answer {
    asked: Asked,
    events: Events,
    frames: Arc<Frames>,
    assembler: Assembler,
    ready: VecDeque<ModelEvent>,
    deadline: Instant,
    complete: bool,
}

impl Answer {
    pub(crate) fn new(asked: Asked, events: Events, frames: Arc<Frames>, deadline: Instant) -> Self {
        let (assembler, ready) = (Assembler::default(), VecDeque::new());
        Self { asked, events, frames, assembler, ready, deadline, complete: false }
    }

    /// Reads until there is an event.
    pub(crate) async fn begin(&mut self) -> Result<(), Cause> {
        while self.ready.is_empty() && !self.complete {
            self.read().await?;
        }
        Ok(())
    }

    /// The events, from the first one.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<ModelEvent>> {
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
        let event = self.next().await?;
        if self.frames.seen().oversized {
            return Err(Cause::TooLarge { limit: MAX_FRAME_BYTES });
        }
        match event {
            None => Err(self.reported().unwrap_or(Cause::CutOff)),
            Some(Err(error)) => self.fail(error),
            Some(Ok(ChatStreamEvent::Chunk(chunk))) => self.assembler.text(chunk.content, &mut self.ready),
            Some(Ok(ChatStreamEvent::ToolCallChunk(chunk))) => {
                self.assembler.call(chunk.tool_call, &mut self.ready)
            }
            Some(Ok(ChatStreamEvent::End(end))) => self.finish(&end),
            // Thoughts are not part of the answer.
            Some(Ok(
                ChatStreamEvent::Start
                | ChatStreamEvent::ReasoningChunk(_)
                | ChatStreamEvent::ThoughtSignatureChunk(_)
                | ChatStreamEvent::Heartbeat,
            )) => Ok(()),
        }
    }

    /// The library's next event, within the limits of time.
    async fn next(&mut self) -> Result<Option<genai::Result<ChatStreamEvent>>, Cause> {
        let limits = self.asked.limits();
        let mut since = Instant::now();
        loop {
            let latest = self.frames.seen().latest;
            let (limit, wait) = match latest {
                Some(_) => (TimeLimit::Idle, limits.idle),
                None => (TimeLimit::FirstByte, limits.first_byte),
            };
            let until = self.deadline.min(since + wait);
            if let Ok(event) = timeout_at(until, self.events.next()).await {
                return Ok(event);
            }
            if until == self.deadline {
                return Err(Cause::Time { limit: TimeLimit::Total, after: limits.total });
            }
            // Some pieces say nothing that the library passes on; they are a sign of life all the same.
            match self.frames.seen().latest {
                Some(latest) if latest > since => since = latest,
                _ => return Err(Cause::Time { limit, after: wait }),
            }
        }
    }

    fn fail(&mut self, error: genai::Error) -> Result<(), Cause> {
        // A question that the provider's filter refuses has an answer: none.
        if self.frames.seen().blocked {
            self.push_end(&StreamEnd::default(), Some(FinishReason::Filtered));
            return Ok(());
        }
        let key = self.asked.key();
        Err(Cause::of(error, &self.frames.seen(), key))
    }

    fn finish(&mut self, end: &StreamEnd) -> Result<(), Cause> {
        if let Some(cause) = self.reported() {
            return Err(cause);
        }
        // The library says that a connection which merely closed has ended; the provider has not.
        if end.captured_stop_reason.is_none() && !self.frames.seen().ended {
            return Err(Cause::CutOff);
        }
        self.push_end(end, None);
        Ok(())
    }

    fn push_end(&mut self, end: &StreamEnd, reason: Option<FinishReason>) {
        let named = self.frames.seen().model.clone();
        let model = named.unwrap_or_else(|| self.asked.model().clone());
        self.assembler.finish(end, model, self.asked.api(), &mut self.ready);
        if let (Some(stated), Some(ModelEvent::Finished { reason, .. })) = (reason, self.ready.back_mut()) {
            *reason = stated;
        }
        self.complete = true;
    }

    /// The error that the provider put among the pieces of its answer.
    fn reported(&self) -> Option<Cause> {
        self.frames.seen().error.as_ref().map(|error| Cause::reported(error, self.asked.key()))
    }
}
