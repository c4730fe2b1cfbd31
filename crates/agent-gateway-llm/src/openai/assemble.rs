//! Events of the wire into events of the port: calls get dense places in order, whatever numbers the provider gives.
use std::{collections::VecDeque, sync::Arc};

use agent_gateway_core::{
    id::ModelName,
    message::TokenUsage,
    ports::model::{FinishReason, MAX_ANSWER_BYTES, MAX_CALLS_PER_ANSWER, ModelEvent},
};

use super::{
    chunk::{self, CallDelta, Chunk, Delta},
    error::Cause,
};

#[derive(Debug)]
pub(super) struct Assembler {
    asked: ModelName,
    model: Option<Arc<str>>,
    usage: TokenUsage,
    reason: Option<FinishReason>,
    calls: Vec<Call>,
    /// Bytes of text, names and arguments so far.
    held: usize,
}

/// A call as the provider numbers it.
#[derive(Debug)]
struct Call {
    index: Option<u64>,
    id: Arc<str>,
    state: CallState,
}

#[derive(Debug)]
enum CallState {
    /// Without a name nothing can be said of it yet; these arguments wait.
    Nameless(String),
    /// Said, under this place.
    Started(usize),
}

impl Assembler {
    pub(super) fn new(asked: ModelName) -> Self {
        Self { asked, model: None, usage: TokenUsage::default(), reason: None, calls: Vec::new(), held: 0 }
    }

    /// Whether the provider said why it stopped, so that only usage can follow.
    pub(super) fn has_reason(&self) -> bool {
        self.reason.is_some()
    }

    /// Takes one event of a stream.
    pub(super) fn event(
        &mut self,
        chunk: Chunk,
        key: Option<&str>,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), Cause> {
        self.note(&chunk, key)?;
        for choice in chunk.choices.unwrap_or_default() {
            if choice.index.unwrap_or_default() != 0 {
                continue;
            }
            if let Some(delta) = choice.delta {
                self.delta(delta, out)?;
            }
            self.stop(choice.finish_reason.as_deref())?;
        }
        Ok(())
    }

    /// Takes a whole answer.
    pub(super) fn whole(
        &mut self,
        chunk: Chunk,
        key: Option<&str>,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), Cause> {
        self.note(&chunk, key)?;
        let first = chunk.choices.and_then(|choices| choices.into_iter().next());
        let Some(choice) = first else { return Err(Cause::garbage("an answer without choices")) };
        let Some(mut message) = choice.message.or(choice.delta) else {
            return Err(Cause::garbage("a choice without a message"));
        };
        for (place, call) in (0..).zip(message.tool_calls.iter_mut().flatten()) {
            call.index = Some(place);
        }
        self.delta(message, out)?;
        self.stop(choice.finish_reason.as_deref())
    }

    /// The end of the answer.
    pub(super) fn finish(&mut self, out: &mut VecDeque<ModelEvent>) -> Result<(), Cause> {
        if self.calls.iter().any(|call| matches!(call.state, CallState::Nameless(_))) {
            return Err(Cause::garbage("a tool call without a name"));
        }
        let named = self.model.as_deref().and_then(|name| ModelName::new(name).ok());
        let reason = match self.reason.unwrap_or(FinishReason::Stop) {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason,
        };
        let model = named.unwrap_or_else(|| self.asked.clone());
        out.push_back(ModelEvent::Finished { model, usage: self.usage, reason });
        Ok(())
    }

    fn note(&mut self, chunk: &Chunk, key: Option<&str>) -> Result<(), Cause> {
        if let Some(error) = chunk.error.as_ref().filter(|error| !error.is_null()) {
            return Err(Cause::reported(error, key));
        }
        if let Some(model) = chunk.model.as_ref().filter(|model| !model.is_empty()) {
            self.model.get_or_insert_with(|| model.clone());
        }
        if let Some(usage) = chunk.usage.as_ref().filter(|usage| usage.is_object()) {
            self.usage = chunk::usage(usage);
        }
        Ok(())
    }

    fn stop(&mut self, reason: Option<&str>) -> Result<(), Cause> {
        self.reason = Some(match reason {
            None | Some("") => return Ok(()),
            Some("stop" | "eos" | "end_turn") => FinishReason::Stop,
            Some("tool_calls" | "function_call") => FinishReason::ToolCalls,
            Some("length") => FinishReason::Length,
            Some("content_filter") => FinishReason::Filtered,
            Some("error") => return Err(Cause::Reported { message: None }),
            Some(_) => FinishReason::Other,
        });
        Ok(())
    }

    fn delta(&mut self, delta: Delta, out: &mut VecDeque<ModelEvent>) -> Result<(), Cause> {
        for text in delta.content.map(|content| content.0).into_iter().chain(delta.refusal) {
            if !text.is_empty() {
                self.hold(text.len())?;
                out.push_back(ModelEvent::Text(text));
            }
        }
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call, out)?;
        }
        Ok(())
    }

    fn call(&mut self, delta: CallDelta, out: &mut VecDeque<ModelEvent>) -> Result<(), Cause> {
        let function = delta.function.unwrap_or_default();
        let name = function.name.filter(|name| !name.is_empty());
        let arguments = function.arguments.map(|text| text.0).filter(|text| !text.is_empty());
        let id = delta.id.unwrap_or_default();
        self.hold(id.len() + name.as_ref().map_or(0, |name| name.len()))?;
        self.hold(arguments.as_ref().map_or(0, |text| text.len()))?;

        let place = match self.known(delta.index, &id, name.as_deref()) {
            Some(place) => place,
            None => self.open(delta.index)?,
        };
        // An id that two calls share names neither; without one, the fold gives them ids of their own.
        let taken = self.calls.iter().any(|call| call.id == id);
        let started = self.calls.iter().filter(|call| matches!(call.state, CallState::Started(_))).count();
        let call = &mut self.calls[place];
        if call.id.is_empty() && matches!(call.state, CallState::Nameless(_)) && !taken {
            call.id = id;
        }
        if let (CallState::Nameless(waiting), Some(name)) = (&mut call.state, name) {
            let waiting = std::mem::take(waiting);
            call.state = CallState::Started(started);
            out.push_back(ModelEvent::ToolCallStarted { index: started, id: call.id.clone(), name });
            if !waiting.is_empty() {
                out.push_back(ModelEvent::ToolCallDelta { index: started, arguments: waiting.into() });
            }
        }
        match (&mut call.state, arguments) {
            (CallState::Started(index), Some(arguments)) => {
                out.push_back(ModelEvent::ToolCallDelta { index: *index, arguments });
            }
            (CallState::Nameless(waiting), Some(arguments)) => waiting.push_str(&arguments),
            (_, None) => {}
        }
        Ok(())
    }

    /// The call that a piece belongs to, the latest of those that fit.
    fn known(&self, index: Option<u64>, id: &str, name: Option<&str>) -> Option<usize> {
        let by_id = || self.calls.iter().rposition(|call| &*call.id == id);
        match index {
            Some(index) => {
                let place = self.calls.iter().rposition(|call| call.index == Some(index))?;
                // Some providers give every call the number 0: another id with a name is another call.
                let other =
                    !id.is_empty() && !self.calls[place].id.is_empty() && *self.calls[place].id != *id;
                if other && name.is_some() { None } else { Some(place) }
            }
            None if !id.is_empty() => by_id(),
            None if name.is_some() => None,
            None => self.calls.len().checked_sub(1),
        }
    }

    fn open(&mut self, index: Option<u64>) -> Result<usize, Cause> {
        if self.calls.len() == MAX_CALLS_PER_ANSWER {
            return Err(Cause::garbage(format!("more than {MAX_CALLS_PER_ANSWER} tool calls in one answer")));
        }
        self.calls.push(Call { index, id: Arc::default(), state: CallState::Nameless(String::new()) });
        Ok(self.calls.len() - 1)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Cause> {
        self.held += bytes;
        if self.held > MAX_ANSWER_BYTES {
            return Err(Cause::TooLarge { limit: MAX_ANSWER_BYTES });
        }
        Ok(())
    }
}
