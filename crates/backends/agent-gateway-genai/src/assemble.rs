//! Events of the library into events of the port: calls get dense places in order, and their arguments come as true deltas.
use std::{collections::VecDeque, sync::Arc};

use agent_gateway_core::{
    id::ModelName,
    message::TokenUsage,
    ports::model::{FinishReason, MAX_ANSWER_BYTES, MAX_CALLS_PER_ANSWER, ModelEvent},
};
use genai::chat::{StopReason, StreamEnd, ToolCall, Usage};
use serde_json::Value;

use crate::{Api, error::Cause};

/// Puts one answer together. It keeps no text: only how much there was.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    calls: Vec<Call>,
    /// Bytes of text, names and arguments so far.
    held: usize,
}

/// A call that has begun.
#[derive(Debug)]
struct Call {
    id: String,
    name: String,
    arguments: Progress,
}

/// How far a call's arguments have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The library repeats what came so far, and more may come. So many bytes of it were passed on.
    Growing(usize),
    /// They came in one piece.
    Complete,
}

impl Assembler {
    pub(crate) fn text(&mut self, text: String, out: &mut VecDeque<ModelEvent>) -> Result<(), Cause> {
        if text.is_empty() {
            return Ok(());
        }
        self.hold(text.len())?;
        out.push_back(ModelEvent::Text(text.into()));
        Ok(())
    }

    /// Takes a piece of a call: its name, and either all of its arguments as JSON or the text of them so far.
    pub(crate) fn call(&mut self, piece: ToolCall, out: &mut VecDeque<ModelEvent>) -> Result<(), Cause> {
        let ToolCall { call_id, fn_name, fn_arguments, .. } = piece;
        let (whole, text) = match fn_arguments {
            Value::String(text) => (false, text),
            Value::Null => (true, String::new()),
            other => (true, other.to_string()),
        };
        if whole || !self.continues(&call_id, &fn_name, text.len()) {
            self.open(call_id, fn_name, whole, out)?;
        }
        let Some(index) = self.calls.len().checked_sub(1) else { return Ok(()) };
        let from = match self.calls[index].arguments {
            Progress::Growing(passed) => passed,
            Progress::Complete => 0,
        };
        let Some(delta) = text.get(from..) else {
            return Err(Cause::garbage("arguments of a tool call that change"));
        };
        if !delta.is_empty() {
            self.hold(delta.len())?;
            let arguments: Arc<str> = delta.into();
            out.push_back(ModelEvent::ToolCallDelta { index, arguments });
        }
        if !whole {
            self.calls[index].arguments = Progress::Growing(text.len());
        }
        Ok(())
    }

    /// The end of the answer.
    pub(crate) fn finish(&self, end: &StreamEnd, model: ModelName, api: Api, out: &mut VecDeque<ModelEvent>) {
        let reason = match reason(end.captured_stop_reason.as_ref()) {
            FinishReason::Stop if !self.calls.is_empty() => FinishReason::ToolCalls,
            reason => reason,
        };
        let usage = end.captured_usage.as_ref().map(|usage| tokens(usage, api)).unwrap_or_default();
        out.push_back(ModelEvent::Finished { model, usage, reason });
    }

    /// Whether a piece with so many bytes of arguments belongs to the latest call.
    fn continues(&self, id: &str, name: &str, bytes: usize) -> bool {
        self.calls.last().is_some_and(|last| {
            last.id == id
                && last.name == name
                && matches!(last.arguments, Progress::Growing(passed) if passed <= bytes)
        })
    }

    fn open(
        &mut self,
        id: String,
        name: String,
        whole: bool,
        out: &mut VecDeque<ModelEvent>,
    ) -> Result<(), Cause> {
        let index = self.calls.len();
        if index == MAX_CALLS_PER_ANSWER {
            return Err(Cause::garbage(format!("more than {MAX_CALLS_PER_ANSWER} tool calls in one answer")));
        }
        if name.is_empty() {
            return Err(Cause::garbage("a tool call without a name"));
        }
        self.hold(id.len() + name.len())?;
        // An id that two calls share names neither; without one, the fold gives them ids of their own.
        let taken = self.calls.iter().any(|call| call.id == id);
        let shown: Arc<str> = if taken { Arc::default() } else { id.as_str().into() };
        out.push_back(ModelEvent::ToolCallStarted { index, id: shown, name: name.as_str().into() });
        let arguments = if whole { Progress::Complete } else { Progress::Growing(0) };
        self.calls.push(Call { id, name, arguments });
        Ok(())
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Cause> {
        self.held += bytes;
        if self.held > MAX_ANSWER_BYTES {
            return Err(Cause::TooLarge { limit: MAX_ANSWER_BYTES });
        }
        Ok(())
    }
}

fn reason(stated: Option<&StopReason>) -> FinishReason {
    match stated {
        None | Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => FinishReason::Stop,
        Some(StopReason::ToolCall(_)) => FinishReason::ToolCalls,
        Some(StopReason::MaxTokens(_)) => FinishReason::Length,
        Some(StopReason::ContentFilter(_)) => FinishReason::Filtered,
        // Bedrock's words for its filters.
        Some(StopReason::Other(text))
            if matches!(text.as_str(), "guardrail_intervened" | "content_filtered") =>
        {
            FinishReason::Filtered
        }
        Some(StopReason::Other(_)) => FinishReason::Other,
    }
}

fn tokens(usage: &Usage, api: Api) -> TokenUsage {
    let count =
        |number: Option<i32>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    let details = usage.prompt_tokens_details.as_ref();
    let cached = count(details.and_then(|details| details.cached_tokens));
    let written = count(details.and_then(|details| details.cache_creation_tokens));
    // Bedrock counts only what neither came from the cache nor went into it; the library leaves that as it is.
    let beside = if api == Api::Bedrock { cached + written } else { 0 };
    // An answer that is all thought has no other count.
    let thought = usage.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens);
    TokenUsage {
        input_tokens: count(usage.prompt_tokens) + beside,
        output_tokens: count(usage.completion_tokens.or(thought)),
        cached_input_tokens: cached,
    }
}
