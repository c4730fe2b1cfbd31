//! What every [`LanguageModel`] keeps: one stream with one end, and never a short answer for a whole one.
//!
//! A model's world must be able to say what the provider answers: its guard implements [`Stage`].
use std::time::Duration;

use agent_gateway_core::{
    Error,
    ports::model::{LanguageModel, ModelEvent, ModelRequest},
};
use async_trait::async_trait;
use futures::StreamExt;
use serde_json::Value;

use crate::{
    fixture::Fixture,
    suite::{Finding, broken, suite},
};

pub mod answers;
pub mod endings;

suite!($ model, model_suite, [Fixture<dyn LanguageModel, Guard: Stage>], {
    answers: [
        a_text_comes_back_as_it_was,
        tool_calls_come_back_in_their_order,
        both_deliveries_give_the_same_answer,
        answers_at_the_same_time_do_not_mix,
    ],
    endings: [
        a_stream_has_one_finish_at_its_end,
        an_answer_that_is_cut_off_is_unavailable,
        a_refused_request_is_an_error_without_an_answer,
        nothing_follows_an_error,
        dropping_the_stream_stops_the_call,
    ],
});

/// The provider behind a model, as a test stages it.
#[async_trait]
pub trait Stage: Sync {
    /// Makes the provider play `scene` to the next request, and answers a request that fits, for a
    /// [`Whole`](agent_gateway_core::ports::model::Delivery::Whole) delivery; `None` when it cannot be staged.
    async fn play(&self, scene: Scene) -> Option<ModelRequest>;

    /// Waits until the provider has seen one more caller go away in the middle of an answer.
    async fn caller_gone(&self);
}

/// What a provider does.
#[derive(Clone, Debug, PartialEq)]
pub enum Scene {
    /// It answers this text.
    Text(String),
    /// It asks for these calls, by name and arguments.
    Calls(Vec<(String, Value)>),
    /// It says something, and the connection ends.
    CutOff,
    /// It refuses the request for good, as one that is wrong.
    Refuse,
    /// It says something, and then nothing more while the caller listens.
    Hang,
}

/// How long an answer may take that must come.
const PATIENCE: Duration = Duration::from_secs(15);

/// Everything that came, and the error that ended it, where one did.
struct Heard {
    events: Vec<ModelEvent>,
    error: Option<Error>,
    /// What came after the error or after `Finished`.
    afterwards: usize,
}

/// Asks, and listens to the very end.
async fn listen(model: &dyn LanguageModel, request: ModelRequest) -> Result<Heard, Finding> {
    let mut heard = Heard { events: Vec::new(), error: None, afterwards: 0 };
    let listening = async {
        let mut stream = match model.stream(request).await {
            Ok(stream) => stream,
            Err(error) => {
                heard.error = Some(error);
                return;
            }
        };
        while let Some(item) = stream.next().await {
            if heard.error.is_some() || matches!(heard.events.last(), Some(ModelEvent::Finished { .. })) {
                heard.afterwards += 1;
                return;
            }
            match item {
                Ok(event) => heard.events.push(event),
                Err(error) => heard.error = Some(error),
            }
        }
    };
    tokio::time::timeout(PATIENCE, listening)
        .await
        .map_err(|_| broken(format!("the answer did not end within {PATIENCE:?}")))?;
    Ok(heard)
}
