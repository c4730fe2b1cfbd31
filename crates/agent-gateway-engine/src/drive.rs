//! The loop. Every execution runs here.
use std::sync::atomic::Ordering;

use agent_gateway_core::{
    Error,
    execution::{LogEvent, ModelTurn, Outcome, StopReason, Usage},
    message::Message,
};
use tokio_util::sync::CancellationToken;

use crate::{
    OutputSchema, Ports, Run,
    guard::{Budget, Phase, Progress},
    prompt::user_message,
    tools::{call_all, millis},
    turn::{Offer, ask},
};

/// A run that has stopped.
#[derive(Debug)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// What the log does not hold yet: it belongs into the same write as the end of the run.
    pub unrecorded: Vec<LogEvent>,
}

/// Why the loop was left.
enum Stop {
    /// The model gave this answer.
    Answered(ModelTurn, StopReason),
    /// It gave an answer that misses its schema, twice.
    Unfit(ModelTurn, Vec<String>),
    /// A limit was reached, time was up, or somebody asked to stop.
    At(StopReason),
    /// The model or the store failed.
    Failed(Error),
}

/// Runs an agent until it answers, a limit stops it, its time is up, or `cancel` fires. Model and tool calls under way are dropped.
pub async fn drive(run: &Run, ports: Ports<'_>, cancel: &CancellationToken) -> Ended {
    let started = tokio::time::Instant::now();
    let mut progress = Progress::new(opening(run, ports));
    let stop = tokio::select! {
        biased;
        () = cancel.cancelled() => Stop::At(StopReason::Cancelled),
        () = tokio::time::sleep(run.limits.timeout) => Stop::At(StopReason::Timeout),
        stop = advance(run, ports, &mut progress) => stop.unwrap_or_else(Stop::Failed),
    };
    let Progress { mut usage, last_text, begun, phase, .. } = progress;
    usage.tool_calls = begun.load(Ordering::Relaxed);
    usage.duration_ms = millis(started);
    conclude(run, stop, usage, last_text, &phase)
}

fn opening(run: &Run, ports: Ports<'_>) -> Vec<Message> {
    let schema = run.output_schema.as_deref();
    let system = run.agent.prompt.system(ports.clock.now(), schema);
    let message = user_message(&run.message, &run.context.metadata, &run.agent.definition);
    vec![Message::system(system), Message::user(message)]
}

async fn advance(run: &Run, ports: Ports<'_>, progress: &mut Progress) -> Result<Stop, Error> {
    while progress.iterations < run.limits.max_iterations {
        let budget = progress.budget(&run.limits);
        let spent = budget == Budget::Spent && progress.calls > 0;
        let offer = if budget == Budget::Spent { Offer::AnswerOnly } else { Offer::Tools };
        let turn = ask(run, ports, progress, offer).await?;
        if turn.tool_calls.is_empty() || offer == Offer::AnswerOnly {
            let reason = if spent { StopReason::MaxToolCalls } else { StopReason::Completed };
            return answer(run, ports, progress, turn, reason).await;
        }
        ports.record(LogEvent::ModelTurn(turn.clone())).await?;
        let ModelTurn { text, tool_calls, .. } = turn;
        progress.messages.push(Message::Assistant { content: text, tool_calls: tool_calls.clone() });
        call_all(run, ports, progress, &tool_calls).await?;
    }
    Ok(Stop::At(StopReason::MaxIterations))
}

/// Holds the answer against its schema, and asks once more when it does not fit.
async fn answer(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    turn: ModelTurn,
    reason: StopReason,
) -> Result<Stop, Error> {
    let Some(schema) = run.output_schema.as_deref() else { return Ok(Stop::Answered(turn, reason)) };
    let Err(errors) = schema.read(&turn.text) else { return Ok(Stop::Answered(turn, reason)) };
    ports.record(LogEvent::ModelTurn(turn.clone())).await?;
    progress.messages.push(Message::assistant(turn.text));
    progress.messages.push(Message::user(schema.repair(&errors)));
    let again = ask(run, ports, progress, Offer::AnswerOnly).await?;
    Ok(match schema.read(&again.text) {
        Ok(_) => Stop::Answered(again, reason),
        Err(errors) => Stop::Unfit(again, errors),
    })
}

fn conclude(run: &Run, stop: Stop, usage: Usage, last_text: String, phase: &Phase) -> Ended {
    let (outcome, turn) = match stop {
        Stop::Answered(turn, reason) => {
            let mut outcome = Outcome::new(reason, &*turn.text, usage);
            outcome.output = run.output_schema.as_deref().and_then(|schema| fitting(schema, &turn));
            (outcome, Some(turn))
        }
        Stop::Unfit(turn, errors) => {
            let mut outcome = Outcome::new(StopReason::Completed, &*turn.text, usage);
            outcome.validation_errors = Some(errors);
            (outcome, Some(turn))
        }
        Stop::At(reason) => (explained(Outcome::new(reason, last_text, usage), run, phase), None),
        Stop::Failed(error) => {
            tracing::warn!(error = ?error, "execution failed");
            (Outcome::new(StopReason::Error, last_text, usage).error(error.message()), None)
        }
    };
    let mut unrecorded: Vec<LogEvent> = turn.map(LogEvent::ModelTurn).into_iter().collect();
    unrecorded.push(LogEvent::Finished(outcome.clone()));
    Ended { outcome, unrecorded }
}

fn fitting(schema: &OutputSchema, turn: &ModelTurn) -> Option<serde_json::Value> {
    schema.read(&turn.text).ok()
}

/// Says why a run was stopped, where its status does not.
fn explained(outcome: Outcome, run: &Run, phase: &Phase) -> Outcome {
    match outcome.stop_reason {
        StopReason::Timeout => {
            let limit = run.limits.timeout.as_millis();
            outcome.error(format!("the execution was stopped after its limit of {limit} ms, {phase}"))
        }
        StopReason::Cancelled => outcome.error("the execution was cancelled"),
        _ => outcome,
    }
}
