//! The loop. Every execution runs here.
use std::sync::atomic::Ordering;

use agent_gateway_core::{
    Error,
    approval::AskedCall,
    execution::{LogEvent, ModelTurn, Outcome, StopReason, Usage},
    id::ExecutionId,
    message::Message,
};
use tokio_util::sync::CancellationToken;

use crate::{
    OutputSchema, Ports, Run, Setting,
    call::{Turned, Waiting, call_all, millis},
    guard::{Budget, Phase, Progress},
    history::joined,
    past::{Next, after, restore},
    prompt::{supplied, user_message},
    turn::{Offer, ask},
};

/// A run that is driven no further.
#[derive(Debug)]
pub enum Ended {
    /// It has ended.
    Finished {
        /// How.
        outcome: Outcome,
        /// The model's last turn, whole or cut off, which the log does not hold yet: it belongs into the same write as the
        /// end of the run.
        unrecorded: Option<LogEvent>,
    },
    /// It rests.
    Suspended(Suspension),
}

/// What a run rests for.
#[derive(Debug)]
pub struct Suspension {
    /// The calls that wait for a person.
    pub calls: Vec<AskedCall>,
    /// The runs that it delegated to and that rest.
    pub delegated: Vec<ExecutionId>,
    /// How far it came; its stop reason is `Suspended`.
    pub outcome: Outcome,
}

/// Why the loop was left.
enum Stop {
    /// The model gave this answer.
    Answered(ModelTurn, StopReason),
    /// It gave this answer, which the log holds already.
    Recorded(ModelTurn, StopReason),
    /// It gave an answer that misses its schema, twice.
    Unfit(ModelTurn, Vec<String>),
    /// Calls of its last turn wait for this.
    Rests(Vec<Waiting>),
    /// A limit was reached, time was up, or somebody asked to stop.
    At(StopReason),
    /// The model or the store failed.
    Failed(Error),
}

/// Runs an agent until it answers, a limit stops it, its time is up, or `cancel` fires. Model and tool calls under way are dropped.
pub async fn drive(run: &Run, ports: Ports<'_>, cancel: &CancellationToken) -> Ended {
    let started = tokio::time::Instant::now();
    let mut progress = Progress::new(opening(run, ports), started + run.limits.timeout);
    let stop = tokio::select! {
        biased;
        () = cancel.cancelled() => Stop::At(StopReason::Cancelled),
        () = tokio::time::sleep_until(progress.deadline) => Stop::At(StopReason::Timeout),
        stop = advance(run, ports, &mut progress) => stop.unwrap_or_else(Stop::Failed),
    };
    progress.add_questions();
    let Progress { mut usage, last_text, begun, phase, draft, .. } = progress;
    usage.tool_calls = begun.load(Ordering::Relaxed);
    usage.duration_ms = millis(started);
    let mut ended = conclude(run, stop, usage, last_text, &phase);
    if let Ended::Finished { unrecorded: unrecorded @ None, .. } = &mut ended
        && !draft.is_empty()
    {
        *unrecorded = Some(LogEvent::CutOff { text: draft.into() });
    }
    ended
}

fn opening(run: &Run, ports: Ports<'_>) -> Vec<Message> {
    let (schema, input) = (run.output_schema.as_deref(), &run.context.metadata);
    let definition = &run.agent.definition;
    let layers = &run.agent.prompt;
    let system = layers.system(ports.clock.now(), &run.setting, run.instructions.as_deref(), schema);
    let system = Message::system(system);
    match &run.setting {
        Setting::Single => vec![system, Message::user(user_message(&run.message, input, definition))],
        Setting::Conversation(history) => {
            let mut messages = vec![system];
            messages.extend(supplied(input, definition));
            messages.extend(history.iter().cloned());
            messages.push(Message::user(run.message.clone()));
            joined(messages)
        }
    }
}

async fn advance(run: &Run, ports: Ports<'_>, progress: &mut Progress) -> Result<Stop, Error> {
    // Of a turn that an earlier attempt recorded, only its answer's second chance is left.
    let mut recorded = !run.past.is_empty();
    let mut next = restore(run, progress);
    loop {
        next = match next {
            Next::Ask if progress.iterations >= run.limits.max_iterations => {
                return Ok(Stop::At(StopReason::MaxIterations));
            }
            Next::Ask => {
                recorded = false;
                let spent = progress.budget(&run.limits) == Budget::Spent;
                let offer = if spent { Offer::AnswerOnly } else { Offer::Tools };
                let turn = ask(run, ports, progress, offer).await?;
                let next = after(run, progress, &turn);
                if let Next::Call(_) = next {
                    ports.record(LogEvent::ModelTurn(turn)).await?;
                }
                next
            }
            Next::Call(calls) => match call_all(run, ports, progress, calls).await? {
                Turned::Answered => Next::Ask,
                Turned::Waits(waiting) => return Ok(Stop::Rests(waiting)),
            },
            Next::Judge(turn, reason) if recorded => return repair(run, ports, progress, turn, reason).await,
            Next::Judge(turn, reason) => return judge(run, ports, progress, turn, reason).await,
        };
    }
}

/// Holds the answer against its schema, and asks once more when it does not fit.
async fn judge(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    turn: ModelTurn,
    reason: StopReason,
) -> Result<Stop, Error> {
    let fits = run.output_schema.as_deref().is_none_or(|schema| schema.read(&turn.text).is_ok());
    if fits {
        return Ok(Stop::Answered(turn, reason));
    }
    ports.record(LogEvent::ModelTurn(turn.clone())).await?;
    repair(run, ports, progress, turn, reason).await
}

/// Asks once more after an answer that misses its schema.
async fn repair(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    turn: ModelTurn,
    reason: StopReason,
) -> Result<Stop, Error> {
    let Some(schema) = run.output_schema.as_deref() else { return Ok(Stop::Recorded(turn, reason)) };
    let Err(errors) = schema.read(&turn.text) else { return Ok(Stop::Recorded(turn, reason)) };
    progress.messages.push(Message::assistant(OutputSchema::shown(&turn.text)));
    progress.messages.push(Message::user(schema.repair(&errors)));
    let again = ask(run, ports, progress, Offer::AnswerOnly).await?;
    Ok(match schema.read(&again.text) {
        Ok(_) => Stop::Answered(again, reason),
        Err(errors) => Stop::Unfit(again, errors),
    })
}

fn conclude(run: &Run, stop: Stop, usage: Usage, last_text: String, phase: &Phase) -> Ended {
    let (outcome, turn) = match stop {
        Stop::Answered(turn, reason) => (answered(run, &turn, reason, usage), Some(turn)),
        Stop::Recorded(turn, reason) => (answered(run, &turn, reason, usage), None),
        Stop::Unfit(turn, errors) => {
            let mut outcome = Outcome::new(StopReason::Completed, &*turn.text, usage);
            outcome.validation_errors = Some(errors);
            (outcome, Some(turn))
        }
        Stop::Rests(waiting) => return Ended::Suspended(suspension(waiting, usage, last_text)),
        Stop::At(reason) => (explained(Outcome::new(reason, last_text, usage), run, phase), None),
        Stop::Failed(error) => {
            tracing::warn!(error = ?error, "execution failed");
            (Outcome::new(StopReason::Error, last_text, usage).error(error.message()), None)
        }
    };
    Ended::Finished { outcome, unrecorded: turn.map(LogEvent::ModelTurn) }
}

fn suspension(waiting: Vec<Waiting>, usage: Usage, last_text: String) -> Suspension {
    let outcome = Outcome::new(StopReason::Suspended, last_text, usage);
    let mut suspension = Suspension { calls: Vec::new(), delegated: Vec::new(), outcome };
    for what in waiting {
        match what {
            Waiting::Person(call) => suspension.calls.push(call),
            Waiting::Run(execution) => suspension.delegated.push(execution),
        }
    }
    suspension
}

fn answered(run: &Run, turn: &ModelTurn, reason: StopReason, usage: Usage) -> Outcome {
    let mut outcome = Outcome::new(reason, &*turn.text, usage);
    outcome.output = run.output_schema.as_deref().and_then(|schema| schema.read(&turn.text).ok());
    outcome
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
