//! One model turn: ask, fold the answer, price it.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result,
    execution::{LogEvent, ModelTurn, ResetReason},
    id::ModelName,
    message::Message,
    ports::model::{Completion, CompletionFold, Delivery, ModelEvent, ModelRequest},
    tool::ToolSpec,
};
use futures::StreamExt;
use serde_json::Value;

use crate::{
    ModelPlan, Ports, Run,
    call::millis,
    guard::{Phase, Progress},
};

/// What a model turn may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Call tools or answer.
    Tools,
    /// Answer.
    AnswerOnly,
}

/// How much a model had said when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Something,
}

/// Asks the agent's model, and its fallback when that fails. The progress knows of the turn, the log does not yet.
pub(crate) async fn ask(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    offer: Offer,
) -> Result<ModelTurn> {
    let tools = match offer {
        Offer::Tools => run.agent.tools.specs().clone(),
        Offer::AnswerOnly => Arc::from([]),
    };
    let Progress { messages, phase, draft, .. } = &mut *progress;
    let (asker, delivery) = (Asker::Agent, run.delivery);
    let turn = complete(run, ports, Asking { asker, messages, tools, delivery, phase, draft }).await?;
    progress.add_turn(&turn);
    Ok(turn)
}

/// Asks the agent's model, and its fallback when that fails, for a step of a workflow. Nobody but the workflow hears it.
pub(crate) async fn ask_apart(run: &Run, ports: Ports<'_>, messages: &[Message]) -> Result<ModelTurn> {
    let (mut phase, mut draft) = (Phase::Start, String::new());
    let (asker, tools, delivery) = (Asker::Step, Arc::from([]), Delivery::Whole);
    let (phase, draft) = (&mut phase, &mut draft);
    complete(run, ports, Asking { asker, messages, tools, delivery, phase, draft }).await
}

/// Who asks the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asker {
    /// The agent, whose answer may have to fit a schema.
    Agent,
    /// A step of a workflow.
    Step,
}

/// What a model is asked, and who looks on.
struct Asking<'a> {
    asker: Asker,
    messages: &'a [Message],
    tools: Arc<[Arc<ToolSpec>]>,
    delivery: Delivery,
    phase: &'a mut Phase,
    draft: &'a mut String,
}

async fn complete(run: &Run, ports: Ports<'_>, asking: Asking<'_>) -> Result<ModelTurn> {
    let plan = &run.model;
    let Asking { asker, messages, tools, delivery, phase, draft } = asking;
    *phase = Phase::Model(plan.name.clone());
    let started = tokio::time::Instant::now();
    let request = |name: &ModelName| {
        let mut request = request(plan, delivery, name.clone(), messages.to_vec(), tools.clone());
        if asker == Asker::Agent {
            request.output_schema = schema_for(run, ports, &request);
        }
        request
    };
    let first = request(&plan.name);
    let first = answer(ports, first, draft).await;
    let (name, answer) = match (first, &plan.fallback) {
        (Err((error, said)), Some(fallback)) => {
            tracing::warn!(model = %plan.name, %fallback, error = ?error, "model failed, asking the fallback");
            if said == Said::Something {
                ports.record(LogEvent::Reset(ResetReason::Fallback)).await?;
            }
            draft.clear();
            *phase = Phase::Model(fallback.clone());
            let second = request(fallback);
            let second = answer(ports, second, draft).await;
            (fallback, second.map_err(|(second, _)| both_failed(&error, &second)))
        }
        (first, _) => (&plan.name, first.map_err(|(error, _)| error)),
    };
    let Completion { model, text, tool_calls, usage, .. } = answer?;
    // The name that the provider gives says most exactly what answered; not every provider gives a known one.
    let price = ports.model.capability(&model).price.or_else(|| ports.model.capability(name).price);
    let cost_usd = price.map(|price| price.cost(&usage));
    let duration_ms = millis(started);
    Ok(ModelTurn { model, text, tool_calls, tokens: usage, cost_usd, duration_ms, within: None })
}

/// Folds one model's answer, and passes its text on where it is wanted in pieces.
async fn answer(
    ports: Ports<'_>,
    request: ModelRequest,
    draft: &mut String,
) -> Result<Completion, (Error, Said)> {
    let (delivery, mut said) = (request.delivery, Said::Nothing);
    let mut events = ports.model.stream(request).await.map_err(|error| (error, said))?;
    let mut fold = CompletionFold::default();
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| (error, said))?;
        fold.push(&event).map_err(|error| (error, said))?;
        if let ModelEvent::Text(piece) = &event
            && !piece.is_empty()
        {
            draft.push_str(piece);
            if delivery == Delivery::Incremental {
                said = Said::Something;
                ports.recorder.say(piece);
            }
        }
    }
    fold.finish().map_err(|error| (error, said))
}

fn request(
    plan: &ModelPlan,
    delivery: Delivery,
    name: ModelName,
    messages: Vec<Message>,
    tools: Arc<[Arc<ToolSpec>]>,
) -> ModelRequest {
    let mut request = ModelRequest::new(name, messages);
    request.tools = tools;
    request.temperature = plan.temperature;
    request.max_tokens = plan.max_tokens;
    request.delivery = delivery;
    request
}

/// The schema, where the model's provider can hold the answer to it. The prompt asks for it everywhere.
fn schema_for(run: &Run, ports: Ports<'_>, request: &ModelRequest) -> Option<Arc<Value>> {
    let schema = run.output_schema.as_deref()?;
    let able = ports.model.capability(&request.model).structured_output;
    able.allows(request.tools.len()).then(|| schema.source().clone())
}

fn both_failed(first: &Error, second: &Error) -> Error {
    Error::new(second.kind(), format!("{}; the fallback failed too: {}", first.message(), second.message()))
}
