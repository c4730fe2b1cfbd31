//! The stand-in for when no model is at hand: it echoes, and calls a tool when it is told to.
//!
//! It is no model and says so. What it answers depends on the conversation alone, so that a first minute and a test need
//! neither network nor key:
//! - the last user message is echoed,
//! - `use <tool> {json}` in it calls that tool with these arguments, if it was offered and has not answered yet,
//! - once tools have answered, their texts are the answer.
mod script;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use agent_gateway_core::{
    Result,
    capability::{ModelCapability, Price},
    id::ModelName,
    message::{Message, TokenUsage},
    ports::model::{Delivery, FinishReason, LanguageModel, ModelEvent, ModelRequest},
};
use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};

use script::{Turn, next_turn};

/// The provider's name, and the model's.
pub const NAME: &str = "offline";
/// Words of one event when the answer is wanted piece by piece.
const WORDS_PER_EVENT: usize = 4;

/// The stand-in. See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline;

#[async_trait]
impl LanguageModel for Offline {
    fn capability(&self, _: &ModelName) -> ModelCapability {
        ModelCapability::new(NAME).priced(Price { input: 0.0, cached_input: 0.0, output: 0.0 })
    }

    async fn stream(&self, request: ModelRequest) -> Result<BoxStream<'static, Result<ModelEvent>>> {
        let input_tokens = request.messages.iter().map(words_of).sum();
        let turn = next_turn(&request);
        let (mut events, reason, output_tokens) = match turn {
            Turn::Say(text) => (say(&text, request.delivery), FinishReason::Stop, words(&text)),
            Turn::Call(calls) => {
                let written = calls.iter().map(|call| words(&call.name) + words(&call.arguments)).sum();
                let events = calls.into_iter().enumerate().flat_map(|(index, call)| {
                    let started = ModelEvent::ToolCallStarted { index, id: call.id, name: call.name };
                    [started, ModelEvent::ToolCallDelta { index, arguments: call.arguments }]
                });
                (events.collect(), FinishReason::ToolCalls, written)
            }
        };
        let usage = TokenUsage { input_tokens, output_tokens, cached_input_tokens: 0 };
        events.push(ModelEvent::Finished { model: request.model, usage, reason });
        Ok(stream::iter(events.into_iter().map(Ok)).boxed())
    }
}

fn say(text: &str, delivery: Delivery) -> Vec<ModelEvent> {
    if text.is_empty() {
        return Vec::new();
    }
    if delivery == Delivery::Whole {
        return vec![ModelEvent::Text(text.into())];
    }
    let words: Vec<_> = text.split_inclusive(char::is_whitespace).collect();
    words.chunks(WORDS_PER_EVENT).map(|group| ModelEvent::Text(group.concat().into())).collect()
}

/// Words stand in for tokens.
fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn words_of(message: &Message) -> u64 {
    match message {
        Message::System { content } | Message::User { content } | Message::Tool { content, .. } => {
            words(content)
        }
        Message::Assistant { content, tool_calls } => {
            let call = |call: &agent_gateway_core::message::ToolCall| {
                words(&call.name) + words(&call.arguments.to_text())
            };
            words(content) + tool_calls.iter().map(call).sum::<u64>()
        }
    }
}

/// A call that the stand-in makes.
#[derive(Debug, PartialEq)]
struct Call {
    id: Arc<str>,
    name: Arc<str>,
    arguments: Arc<str>,
}
