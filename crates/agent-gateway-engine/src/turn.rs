//! One model turn: ask, fold the answer, price it.
use std::sync::Arc;

use agent_gateway_core::{
    Error,
    execution::{LogEvent, ModelTurn, ResetReason, StopReason},
    id::ModelName,
    message::Message,
    ports::model::{Completion, CompletionFold, Delivery, FinishReason, ModelEvent, ModelRequest},
    tool::ToolSpec,
};
use futures::StreamExt;
use serde_json::Value;

use crate::{
    ModelPlan, Ports, Run,
    call::millis,
    guard::{Halt, Measured, Phase, Progress},
    room::Room,
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
pub(crate) enum Said {
    Nothing,
    Something,
}

/// A model's answer.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The turn. Neither the progress nor the log knows of it yet.
    pub(crate) turn: ModelTurn,
    /// What the request came to; `None` where no limit asks for it.
    pub(crate) measured: Option<Measured>,
    /// The limit that cut it off.
    pub(crate) cut_by: Option<StopReason>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The model was not asked, and the run ends.
    Halted(Halt),
    /// The model failed, having said so much.
    Failed(Error, Said),
}

impl From<Halt> for Unanswered {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

impl From<Unanswered> for Halt {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Halted(halt) => halt,
            Unanswered::Failed(error, _) => Self::Failed(error),
        }
    }
}

/// Asks the agent's model, and its fallback when that fails. The progress knows of the turn, the log does not yet.
pub(crate) async fn ask(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    offer: Offer,
) -> Result<ModelTurn, Halt> {
    let tools = match offer {
        Offer::Tools => run.agent.tools.specs().clone(),
        Offer::AnswerOnly => Arc::from([]),
    };
    let Progress { messages, phase, draft, measured, .. } = &mut *progress;
    let (asker, delivery, measured) = (Asker::Agent, run.delivery, *measured);
    let asking = Asking { asker, messages, tools, delivery, measured, phase, draft };
    let Answered { turn, measured, cut_by } = complete(run, ports, asking).await?;
    progress.add_turn(&turn);
    (progress.measured, progress.cut_by) = (measured, cut_by);
    Ok(turn)
}

/// Asks the agent's model, and its fallback when that fails, for a step of a workflow. Nobody but the workflow hears it.
pub(crate) async fn ask_apart(
    run: &Run,
    ports: Ports<'_>,
    messages: &[Message],
) -> Result<ModelTurn, Unanswered> {
    let (mut phase, mut draft) = (Phase::Start, String::new());
    let (asker, tools, delivery, measured) = (Asker::Step, Arc::from([]), Delivery::Whole, None);
    let (phase, draft) = (&mut phase, &mut draft);
    let asking = Asking { asker, messages, tools, delivery, measured, phase, draft };
    complete(run, ports, asking).await.map(|answered| answered.turn)
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
    /// What an earlier request with the same beginning came to.
    measured: Option<Measured>,
    phase: &'a mut Phase,
    draft: &'a mut String,
}

async fn complete(run: &Run, ports: Ports<'_>, asking: Asking<'_>) -> Result<Answered, Unanswered> {
    let plan = &run.model;
    let Asking { asker, messages, tools, delivery, measured, phase, draft } = asking;
    *phase = Phase::Model(plan.name.clone());
    let started = tokio::time::Instant::now();
    let request = |name: &ModelName| {
        let mut request = request(plan, delivery, name.clone(), messages.to_vec(), tools.clone());
        if asker == Asker::Agent {
            request.output_schema = schema_for(run, ports, &request);
        }
        request
    };
    let first = call_model(run, ports, request(&plan.name), measured, draft).await;
    let mut answered = match (first, &plan.fallback) {
        (Err(Unanswered::Failed(error, said)), Some(fallback)) => {
            tracing::warn!(model = %plan.name, %fallback, error = ?error, "model failed, asking the fallback");
            if said == Said::Something {
                ports.record(LogEvent::Reset(ResetReason::Fallback)).await.map_err(Halt::Failed)?;
            }
            draft.clear();
            *phase = Phase::Model(fallback.clone());
            let second = call_model(run, ports, request(fallback), measured, draft).await;
            second.map_err(|second| match second {
                Unanswered::Failed(second, said) => Unanswered::Failed(both_failed(&error, &second), said),
                halted @ Unanswered::Halted(_) => halted,
            })?
        }
        (first, _) => first?,
    };
    answered.turn.duration_ms = millis(started);
    Ok(answered)
}

/// Asks a model once, as every call of a model is made: past the hooks, within the limits, and before the observers.
/// `measured` is what an earlier request with the same beginning came to.
pub(crate) async fn call_model(
    run: &Run,
    ports: Ports<'_>,
    request: ModelRequest,
    measured: Option<Measured>,
    draft: &mut String,
) -> Result<Answered, Unanswered> {
    let mut request = run.may_ask(request).await?;
    let name = request.model.clone();
    let room = Room::reserve(run, ports, &mut request, measured).await?;
    run.tell_asked(&name).await;
    let started = tokio::time::Instant::now();
    let answer = answer(ports, request, draft).await;
    let duration_ms = millis(started);
    let told = answer.as_ref().map(|answer| answer.usage).map_err(|(error, _)| error);
    run.tell_answered(&name, told, duration_ms).await;
    let answer = answer.map_err(|(error, said)| Unanswered::Failed(error, said))?;
    // The name that the provider gives says most exactly what answered; not every provider gives a known one.
    let price = ports.model.capability(&answer.model).price.or_else(|| ports.model.capability(&name).price);
    let cost_usd = price.map(|price| price.cost(&answer.usage));
    let cut_by = room.lowered().filter(|_| answer.reason == FinishReason::Length);
    let measured = room.settle(&answer, price);
    let Completion { model, text, tool_calls, usage, .. } = answer;
    let turn = ModelTurn { model, text, tool_calls, tokens: usage, cost_usd, duration_ms, within: None };
    Ok(Answered { turn, measured, cut_by })
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
