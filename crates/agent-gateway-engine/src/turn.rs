//! One model turn: ask, fold the answer, price it.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result,
    execution::ModelTurn,
    id::ModelName,
    message::Message,
    ports::model::{Completion, ModelExt, ModelRequest},
    tool::ToolSpec,
};

use crate::{
    ModelPlan, Ports, Run,
    guard::{Phase, Progress},
    tools::millis,
};

/// What a model turn may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Call tools or answer.
    Tools,
    /// Answer.
    AnswerOnly,
}

/// Asks the agent's model, and its fallback when that fails. The progress knows of the turn, the log does not yet.
pub(crate) async fn ask(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    offer: Offer,
) -> Result<ModelTurn> {
    let plan = &run.agent.model;
    let tools = match offer {
        Offer::Tools => run.agent.tools.specs().clone(),
        Offer::AnswerOnly => Arc::from([]),
    };
    progress.phase = Phase::Model(plan.name.clone());
    let started = tokio::time::Instant::now();
    let request = |name: &ModelName| request(plan, name.clone(), progress.messages.clone(), tools.clone());
    let first = ports.model.complete(request(&plan.name)).await;
    let (name, answer) = match (first, &plan.fallback) {
        (Err(error), Some(fallback)) => {
            tracing::warn!(model = %plan.name, %fallback, error = ?error, "model failed, asking the fallback");
            let second = ports.model.complete(request(fallback)).await;
            (fallback, second.map_err(|second| both_failed(&error, &second)))
        }
        (first, _) => (&plan.name, first),
    };
    let Completion { model, text, tool_calls, usage, .. } = answer?;
    // The name that the provider gives says most exactly what answered; not every provider gives a known one.
    let price = ports.model.capability(&model).price.or_else(|| ports.model.capability(name).price);
    let cost_usd = price.map(|price| price.cost(&usage));
    let duration_ms = millis(started);
    let turn = ModelTurn { model, text, tool_calls, tokens: usage, cost_usd, duration_ms };
    progress.add_turn(&turn);
    Ok(turn)
}

fn request(
    plan: &ModelPlan,
    name: ModelName,
    messages: Vec<Message>,
    tools: Arc<[Arc<ToolSpec>]>,
) -> ModelRequest {
    let mut request = ModelRequest::new(name, messages);
    request.tools = tools;
    request.temperature = plan.temperature;
    request.max_tokens = plan.max_tokens;
    request
}

fn both_failed(first: &Error, second: &Error) -> Error {
    Error::new(second.kind(), format!("{}; the fallback failed too: {}", first.message(), second.message()))
}
