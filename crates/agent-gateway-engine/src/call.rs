//! How the calls of one turn are made.
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use agent_gateway_core::{
    Error, ErrorKind,
    approval::{ApprovalStatus, AskedCall},
    execution::{LogEvent, ResultForm, StepPlace, ToolOutcome, ToolTurn},
    hook::{HookedCall, HookedResult},
    id::ExecutionId,
    message::{Arguments, ToolCall},
    tool::{Approval, ToolOutput, ToolRetry},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    Ports, Run,
    delegate::{Delegated, delegate},
    guard::{Budget, Halt, Phase, Progress, Questions},
    hook::{Agreement, Permission},
    past::{Asked, Calls, Settlements},
    redact::Discretion,
    tools::{Action, BoundTool},
    workflow::{Done, Gone},
};

/// How much of a result is kept for clients when the model sees less of it.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// What became of a call.
#[derive(Debug)]
pub(crate) enum Called {
    /// It was answered, or refused; the log has it.
    Answered(ToolTurn),
    /// It waits for all of this; the log has nothing of it yet.
    Waits(Vec<Waiting>),
}

/// What a call waits for.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// A person.
    Person(AskedCall),
    /// The end of a run that it delegated to, and that rests.
    Run(ExecutionId),
}

/// What became of the calls of a turn.
#[derive(Debug)]
pub(crate) enum Turned {
    /// All are answered, and the model can be told.
    Answered,
    /// Some wait, for this. The others are answered.
    Waits(Vec<Waiting>),
}

/// Makes the calls of one turn that have no result yet, at most `parallel_tools` at the same time, and adds the results in
/// the order of the calls.
pub(crate) async fn call_all(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    mut calls: Calls,
) -> Result<Turned, Halt> {
    progress.phase = Phase::Tools;
    let turn = progress.iterations;
    let desk = Desk {
        run,
        ports,
        begun: &progress.begun,
        calls: &progress.calls,
        questions: &progress.questions,
        deadline: progress.deadline,
        settlements: calls.settlements(),
        done: calls.done(),
    };
    // Boxed, because the compiler cannot prove a borrowing closure's futures `Send` for every lifetime.
    let mut pending: Vec<BoxFuture<'_, (usize, Result<Called, Halt>)>> = Vec::new();
    for (place, call) in calls.missing() {
        let (call, desk, budget) = (call.clone(), &desk, calls.budget(place));
        pending.push(Box::pin(async move {
            let place = CallPlace { turn, place, budget, within: None };
            let index = place.place;
            (index, call_one(desk, &call, place).await)
        }));
    }
    let (mut answers, mut waiting) = (Vec::with_capacity(pending.len()), Vec::new());
    let mut called = stream::iter(pending).buffer_unordered(run.limits.parallel_tools.max(1));
    while let Some((place, result)) = called.next().await {
        match result? {
            Called::Answered(turn) => answers.push((place, turn)),
            Called::Waits(what) => waiting.extend(what.into_iter().map(|what| (place, what))),
        }
    }
    drop(called);
    drop(desk);
    progress.add_questions();
    for (place, turn) in answers {
        calls.put(place, turn);
    }
    if !waiting.is_empty() {
        waiting.sort_by_key(|(place, _)| *place);
        return Ok(Turned::Waits(waiting.into_iter().map(|(_, what)| what).collect()));
    }
    calls.tell(progress);
    Ok(Turned::Answered)
}

/// What all calls of a turn are made with.
pub(crate) struct Desk<'a> {
    pub(crate) run: &'a Run,
    pub(crate) ports: Ports<'a>,
    /// Counts the calls that reach their tool.
    pub(crate) begun: &'a AtomicU32,
    /// Counts all calls.
    pub(crate) calls: &'a AtomicU32,
    /// Counts what workflows ask of the model.
    pub(crate) questions: &'a Questions,
    /// When the run's time is up.
    pub(crate) deadline: Instant,
    /// What was decided about calls of this turn.
    pub(crate) settlements: Arc<Settlements>,
    /// What steps of this turn's workflows came to in earlier attempts.
    pub(crate) done: Arc<Done>,
}

/// Where a call stands in its run.
#[derive(Clone, Debug)]
pub(crate) struct CallPlace {
    /// The turn of the model.
    pub(crate) turn: u32,
    /// The place among the calls of the turn.
    pub(crate) place: usize,
    /// Whether the run may still make it.
    pub(crate) budget: Budget,
    /// The step of a workflow that makes it; `None`: the agent itself.
    pub(crate) within: Option<Arc<StepPlace>>,
}

impl CallPlace {
    /// The same for every attempt of the call.
    fn idempotency_key(&self, execution: &ExecutionId) -> String {
        let (turn, place) = (self.turn, self.place);
        match &self.within {
            None => format!("{execution}-{turn}-{place}"),
            Some(step) => format!("{execution}-{turn}-{place}-{}-{}", step.step, step.item),
        }
    }
}

/// What a call comes to before it is recorded.
enum Made {
    Answer(Arguments, ToolOutcome, ToolOutput),
    Waits(Vec<Waiting>),
}

/// Makes one call of a tool of the agent, and records it.
pub(crate) async fn call_one(desk: &Desk<'_>, call: &ToolCall, place: CallPlace) -> Result<Called, Halt> {
    let tool = desk.run.agent.tools.get(&call.name);
    call_tool(desk, tool.map(|tool| &**tool), call, place).await
}

/// Makes one call of this tool, and records it.
pub(crate) async fn call_tool(
    desk: &Desk<'_>,
    tool: Option<&BoundTool>,
    call: &ToolCall,
    place: CallPlace,
) -> Result<Called, Halt> {
    let started = Instant::now();
    let made = match admit(desk, tool, call, &place).await {
        Admitted::Refused(why) => Made::Answer(call.arguments.clone(), ToolOutcome::Refused, failure(&why)),
        Admitted::Asks(asked) => Made::Waits(vec![Waiting::Person(asked)]),
        Admitted::Runs(tool, call) => make(desk, tool, call, &place).await?,
    };
    match made {
        Made::Answer(arguments, outcome, result) => {
            let result = (outcome, result);
            Ok(Called::Answered(finish(desk, call, arguments, result, started, place.within).await?))
        }
        Made::Waits(what) => Ok(Called::Waits(what)),
    }
}

/// Records a call that is not made, for this reason.
pub(crate) async fn refuse(
    desk: &Desk<'_>,
    call: &ToolCall,
    why: &str,
    within: Option<Arc<StepPlace>>,
) -> Result<ToolTurn, Halt> {
    let result = (ToolOutcome::Refused, failure(why));
    finish(desk, call, call.arguments.clone(), result, Instant::now(), within).await
}

/// Records what a call came to.
async fn finish(
    desk: &Desk<'_>,
    call: &ToolCall,
    arguments: Arguments,
    (outcome, result): (ToolOutcome, ToolOutput),
    started: Instant,
    within: Option<Arc<StepPlace>>,
) -> Result<ToolTurn, Halt> {
    let (arguments, result) = Discretion::of(&desk.run.context).call(arguments, result);
    let form = match result {
        ToolOutput::Text(_) | ToolOutput::Json(Value::String(_)) => ResultForm::Text,
        ToolOutput::Json(_) => ResultForm::Json,
    };
    let Cut { content, cut_from, whole } = cut(result.to_text(), desk.run.limits.max_result_bytes);
    let turn = ToolTurn {
        call_id: call.id.clone(),
        name: call.name.clone(),
        arguments,
        outcome,
        content,
        cut_from,
        whole,
        form,
        duration_ms: millis(started),
        within,
    };
    desk.ports.record(LogEvent::ToolTurn(turn.clone())).await?;
    desk.run.tell_result(&turn).await;
    Ok(turn)
}

/// Hands a call to its tool.
async fn make(desk: &Desk<'_>, tool: &BoundTool, call: HookedCall, place: &CallPlace) -> Result<Made, Halt> {
    let Desk { run, ports, begun, .. } = desk;
    run.tell_call(&call).await;
    if tool.spec().retry == ToolRetry::Never {
        let (call_id, name) = (call.call_id.clone(), tool.spec().name.as_str().into());
        ports.record(LogEvent::ToolStarted { call_id, name }).await?;
    }
    begun.fetch_add(1, Ordering::Relaxed);
    let (key, started) = (place.idempotency_key(&run.context.execution_id), Instant::now());
    let answer = match tool.action() {
        Action::Tool(tool) => {
            let mut context = run.context.clone();
            context.call_id = call.call_id.clone();
            context.idempotency_key = key;
            let answer = AssertUnwindSafe(tool.call(call.arguments.clone(), &context)).catch_unwind().await;
            answer.unwrap_or_else(|_| Err(Error::unexpected("the tool panicked")))
        }
        Action::Delegate => match delegate(desk, &call.arguments, key).await {
            Ok(Delegated::Answer(output)) => Ok(output),
            Ok(Delegated::Rests(execution)) => {
                begun.fetch_sub(1, Ordering::Relaxed);
                return Ok(Made::Waits(vec![Waiting::Run(execution)]));
            }
            Err(error) => Err(error),
        },
        Action::Workflow(workflow) => {
            match workflow.run(desk, &call.arguments, &call.call_id, place).await? {
                Gone::Through(result) => Ok(ToolOutput::Json(result)),
                Gone::Waits(what) => {
                    begun.fetch_sub(1, Ordering::Relaxed);
                    return Ok(Made::Waits(what));
                }
            }
        }
    };
    let (outcome, output) = match answer {
        Ok(output) => (ToolOutcome::Succeeded, Discretion::of(&run.context).output(output)),
        Err(error) => {
            let error = Discretion::of(&run.context).error(error);
            (ToolOutcome::Failed, failure(&tool_failure(tool.spec().name.as_str(), &error)))
        }
    };
    let (outcome, output) =
        match run.after_tool(&call, HookedResult::new(outcome, output, millis(started))).await {
            Ok(result) => (result.outcome, result.output),
            Err(why) => (ToolOutcome::Failed, failure(&why)),
        };
    Ok(Made::Answer(Arguments::Object(call.arguments), outcome, output))
}

/// Whether a call is made.
enum Admitted<'a> {
    /// It is.
    Runs(&'a BoundTool, HookedCall),
    /// A person must agree first.
    Asks(AskedCall),
    /// It is not, and the model is told why.
    Refused(String),
}

async fn admit<'a>(
    desk: &Desk<'_>,
    tool: Option<&'a BoundTool>,
    call: &ToolCall,
    place: &CallPlace,
) -> Admitted<'a> {
    let asked = desk.settlements.of(&call.id, &call.name);
    // A call that a person was asked about had its place before.
    if place.budget == Budget::Spent && matches!(asked, Asked::Not) {
        return Admitted::Refused(format!(
            "the limit of {} tool calls is reached; answer with what you have",
            desk.run.limits.max_tool_calls
        ));
    }
    let Some(tool) = tool else {
        return Admitted::Refused(format!(
            "there is no tool named '{}'; use one of the tools that you were given",
            call.name
        ));
    };
    if !tool.spec().access.allows(&desk.run.context.agent_id) {
        return Admitted::Refused(format!("this agent may not use the tool '{}'", call.name));
    }
    let (given, agreement) = match asked {
        Asked::Settled(ApprovalStatus::Approved, arguments, _) => {
            (Arguments::Object(arguments.clone()), Agreement::Given)
        }
        Asked::Settled(status, _, reason) => return Admitted::Refused(not_approved(status, reason)),
        Asked::Not => (call.arguments.clone(), Agreement::NotAsked),
    };
    let arguments = match tool.arguments(&given) {
        Ok(arguments) => arguments,
        Err(why) => return Admitted::Refused(why),
    };
    let mut hooked =
        HookedCall::new(call.id.clone(), tool.spec().clone(), arguments).within(place.within.clone());
    let question = match desk.run.may_call(tool, &mut hooked, agreement).await {
        Permission::Refused(why) => return Admitted::Refused(why),
        Permission::Asks(question) => Some(question),
        Permission::Granted => None,
    };
    let is_required = tool.spec().approval == Approval::Required && agreement == Agreement::NotAsked;
    if is_required || question.is_some() {
        let (call_id, tool) = (call.id.clone(), call.name.clone());
        return Admitted::Asks(AskedCall { call_id, tool, arguments: hooked.arguments, question });
    }
    Admitted::Runs(tool, hooked)
}

/// What the model is told of a call that nobody agreed to.
fn not_approved(status: ApprovalStatus, reason: Option<&str>) -> String {
    let what = match status {
        ApprovalStatus::Expired => "nobody approved this call in time, so it was not made",
        _ => "this call was denied, so it was not made",
    };
    match reason {
        Some(reason) => format!("{what}: {reason}"),
        None => what.to_owned(),
    }
}

/// What the model is told of a tool that failed. A tool's own sentence is for the model; ours about our own faults is not.
fn tool_failure(name: &str, error: &Error) -> String {
    tracing::warn!(tool = name, error = ?error, "tool call failed");
    match error.kind() {
        ErrorKind::Unexpected => format!("the tool '{name}' failed"),
        ErrorKind::Timeout => format!("the tool '{name}' took too long: {}", error.message()),
        _ => format!("the tool '{name}' failed: {}", error.message()),
    }
}

fn failure(sentence: &str) -> ToolOutput {
    ToolOutput::Json(json!({ "error": sentence }))
}

/// A result as the model sees it, and the whole of it where that is more.
struct Cut {
    content: Arc<str>,
    cut_from: Option<usize>,
    whole: Option<Arc<str>>,
}

/// Cuts a result at a character, and says so.
fn cut(text: String, most: usize) -> Cut {
    let length = text.len();
    if length <= most {
        return Cut { content: text.into(), cut_from: None, whole: None };
    }
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let content = format!("{}\n[truncated: the first {end} of {length} bytes]", &text[..end]);
    let whole = (length <= MAX_KEPT_BYTES).then(|| text.into());
    Cut { content: content.into(), cut_from: Some(length), whole }
}

pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
