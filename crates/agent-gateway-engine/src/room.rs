//! Room for one model call within the limits of tokens and cost.
use agent_gateway_core::{
    Error,
    capability::Price,
    execution::StopReason,
    id::ModelName,
    message::{Message, TokenUsage},
    ports::model::{Completion, ModelRequest},
};

use crate::{
    Ports, Reached, Run,
    guard::{Halt, Measured},
    ledger::{Reservation, Wanted},
};

/// Bytes that are reckoned as one token, where the provider has not counted yet. Most texts have more to a token.
const BYTES_PER_TOKEN: u64 = 3;
/// What a message or a tool weighs beside its texts.
const FRAME_BYTES: usize = 16;

/// What a model call may consume.
#[derive(Debug)]
pub(crate) enum Room {
    /// Whatever it does: no limit concerns it.
    Unlimited,
    /// So much.
    Reserved {
        reservation: Reservation,
        /// The request's bytes, and the tokens that they were reckoned to be.
        reckoned: Measured,
    },
}

impl Room {
    /// Reserves room for a request, and lowers the request's `max_tokens` to what is left.
    pub(crate) async fn reserve(
        run: &Run,
        ports: Ports<'_>,
        request: &mut ModelRequest,
        measured: Option<Measured>,
    ) -> Result<Self, Halt> {
        if !run.ledger.is_limited() {
            return Ok(Self::Unlimited);
        }
        let bytes = bytes(request);
        let reckoned = Measured { bytes, tokens: reckon(bytes, measured) };
        let price = ports.model.capability(&request.model).price;
        let wanted = Wanted { input: reckoned.tokens, output: request.max_tokens, price };
        let reservation =
            run.ledger.reserve(&wanted).await.map_err(|reached| halt(reached, &request.model))?;
        request.max_tokens = reservation.output;
        Ok(Self::Reserved { reservation, reckoned })
    }

    /// The limit for which the answer may be shorter than it was wanted.
    pub(crate) fn lowered(&self) -> Option<StopReason> {
        match self {
            Self::Unlimited => None,
            Self::Reserved { reservation, .. } => reservation.lowered,
        }
    }

    /// Puts what was consumed in the place of what was reserved. What a provider does not count is reckoned.
    pub(crate) fn settle(self, answer: &Completion, price: Option<Price>) -> Option<Measured> {
        let Self::Reserved { reservation, reckoned } = self else { return None };
        let counted = answer.usage;
        let is_counted = counted.input_tokens > 0 || counted.output_tokens > 0;
        let usage = if is_counted {
            counted
        } else {
            let output_tokens = (answer.text.len() as u64).div_ceil(BYTES_PER_TOKEN);
            TokenUsage { input_tokens: reckoned.tokens, output_tokens, cached_input_tokens: 0 }
        };
        let cost_usd = price.map_or(0.0, |price| price.cost(&usage));
        reservation.settle(usage.input_tokens.saturating_add(usage.output_tokens), cost_usd);
        let tokens = counted.input_tokens;
        (tokens > 0).then_some(Measured { bytes: reckoned.bytes, tokens })
    }
}

/// The most tokens of a request: what the one before it came to, and its growth since then.
fn reckon(bytes: u64, measured: Option<Measured>) -> u64 {
    match measured {
        Some(before) => {
            let more = bytes.saturating_sub(before.bytes).div_ceil(BYTES_PER_TOKEN);
            before.tokens.saturating_add(more)
        }
        None => bytes.div_ceil(BYTES_PER_TOKEN),
    }
}

fn bytes(request: &ModelRequest) -> u64 {
    let messages = request.messages.iter().map(|message| FRAME_BYTES + message_bytes(message));
    let tools = request.tools.iter().map(|tool| {
        FRAME_BYTES + tool.name.as_str().len() + tool.description.len() + tool.parameters.to_string().len()
    });
    messages.chain(tools).sum::<usize>() as u64
}

fn message_bytes(message: &Message) -> usize {
    match message {
        Message::System { content } | Message::User { content } => content.len(),
        Message::Tool { call_id, name, content } => call_id.len() + name.len() + content.len(),
        Message::Assistant { content, tool_calls } => {
            let calls = tool_calls
                .iter()
                .map(|call| FRAME_BYTES + call.id.len() + call.name.len() + call.arguments.to_text().len());
            content.len() + calls.sum::<usize>()
        }
    }
}

fn halt(reached: Reached, model: &ModelName) -> Halt {
    match reached {
        Reached::Cost => Halt::At(StopReason::MaxCost, None),
        Reached::Unpriced => Halt::Failed(Error::misconfigured(format!(
            "the limit max_cost_usd cannot be kept, because the price of the model {model} is not known: add the model to \
             model.prices in gateway.yaml, or use one whose price is known"
        ))),
        _ => Halt::At(StopReason::MaxTokens, None),
    }
}
