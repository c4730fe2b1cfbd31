//! Tool calls: which tools an agent has, and how the calls of one turn are made.
use std::{
    collections::HashMap,
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use agent_gateway_core::{
    Error, ErrorKind, JsonMap, Result,
    execution::{LogEvent, ResultForm, ToolOutcome, ToolTurn},
    id::{AgentId, ToolName},
    message::{Arguments, ToolCall},
    ports::tool::Tool,
    tool::{ToolOutput, ToolRetry, ToolSpec},
};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};

use crate::{
    Ports, Run, Schema,
    guard::{Budget, Phase, Progress},
    past::Calls,
    redact::Discretion,
};

/// How much of a result is kept for clients when the model sees less of it.
const MAX_KEPT_BYTES: usize = 1024 * 1024;

/// A tool made ready to be called.
pub struct BoundTool {
    tool: Arc<dyn Tool>,
    spec: Arc<ToolSpec>,
    defaults: JsonMap,
    parameters: Schema,
}

impl BoundTool {
    /// Binds a tool. Parameters that are no usable JSON Schema are `Invalid`.
    pub fn new(tool: Arc<dyn Tool>, defaults: JsonMap) -> Result<Self> {
        let spec = Arc::new(tool.spec().clone());
        let parameters = Schema::compile(&spec.parameters).map_err(|error| error.with("tool", &spec.name))?;
        Ok(Self { tool, spec, defaults, parameters })
    }

    /// What is known of it before it is called.
    #[must_use]
    pub fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    /// The arguments with defaults filled in, or what the model must mend.
    fn arguments(&self, given: &Arguments) -> Result<JsonMap, String> {
        let Arguments::Object(given) = given else {
            return Err("the arguments are not a JSON object; send one JSON object".to_owned());
        };
        let mut arguments = given.clone();
        for (name, value) in &self.defaults {
            arguments.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let arguments = Value::Object(arguments);
        let errors: Vec<String> =
            self.parameters.check(&arguments, &[]).iter().map(ToString::to_string).collect();
        match arguments {
            Value::Object(map) if errors.is_empty() => Ok(map),
            _ => Err(format!("the arguments do not fit the tool's parameters: {}", errors.join("; "))),
        }
    }
}

impl fmt::Debug for BoundTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.spec.name, f)
    }
}

/// The tools of one agent, in the order in which the model is told of them.
#[derive(Clone, Debug, Default)]
pub struct ToolSet {
    specs: Arc<[Arc<ToolSpec>]>,
    by_name: Arc<HashMap<ToolName, Arc<BoundTool>>>,
}

impl ToolSet {
    /// These tools, those left out that `agent` may not use. A repeated name keeps its first tool.
    pub fn new(agent: &AgentId, tools: impl IntoIterator<Item = Arc<BoundTool>>) -> Self {
        let (mut specs, mut by_name) = (Vec::new(), HashMap::new());
        for tool in tools {
            if tool.spec.access.allows(agent) && !by_name.contains_key(&tool.spec.name) {
                specs.push(tool.spec.clone());
                by_name.insert(tool.spec.name.clone(), tool);
            }
        }
        Self { specs: specs.into(), by_name: Arc::new(by_name) }
    }

    /// What the model is told.
    #[must_use]
    pub fn specs(&self) -> &Arc<[Arc<ToolSpec>]> {
        &self.specs
    }
}

/// Makes the calls of one turn that have no result yet, at most `parallel_tools` at the same time, and adds the results in
/// the order of the calls.
pub(crate) async fn call_all(
    run: &Run,
    ports: Ports<'_>,
    progress: &mut Progress,
    mut calls: Calls,
) -> Result<()> {
    let Budget::Left(allowed) = progress.budget(&run.limits) else { return Ok(()) };
    progress.phase = Phase::Tools;
    let turn = progress.iterations;
    progress.add_calls(calls.len());
    // Boxed, because the compiler cannot prove a borrowing closure's futures `Send` for every lifetime.
    let mut pending: Vec<BoxFuture<'_, (usize, Result<ToolTurn>)>> = Vec::with_capacity(calls.len());
    for (place, call) in calls.missing() {
        let (within, begun, call) = (place < allowed as usize, progress.begun.clone(), call.clone());
        pending.push(Box::pin(async move {
            (place, call_one(run, ports, &call, Place { turn, place, within }, &begun).await)
        }));
    }
    let mut answered = stream::iter(pending).buffer_unordered(run.limits.parallel_tools.max(1));
    while let Some((place, result)) = answered.next().await {
        calls.put(place, result?);
    }
    drop(answered);
    calls.tell(progress);
    Ok(())
}

/// Where a call stands in its run.
#[derive(Clone, Copy, Debug)]
struct Place {
    turn: u32,
    place: usize,
    within: bool,
}

async fn call_one(
    run: &Run,
    ports: Ports<'_>,
    call: &ToolCall,
    place: Place,
    begun: &AtomicU32,
) -> Result<ToolTurn> {
    let started = tokio::time::Instant::now();
    let discretion = Discretion::of(&run.context);
    let (arguments, outcome, result) = match admit(run, call, place) {
        Err(refusal) => (call.arguments.clone(), ToolOutcome::Refused, failure(&refusal)),
        Ok((tool, arguments)) => {
            if tool.spec.retry == ToolRetry::Never {
                let (call_id, name) = (call.id.clone(), call.name.clone());
                ports.record(LogEvent::ToolStarted { call_id, name }).await?;
            }
            let mut context = run.context.clone();
            context.call_id = call.id.clone();
            context.idempotency_key = format!("{}-{}-{}", context.execution_id, place.turn, place.place);
            begun.fetch_add(1, Ordering::Relaxed);
            let answer = AssertUnwindSafe(tool.tool.call(arguments.clone(), &context)).catch_unwind().await;
            let answer = answer.unwrap_or_else(|_| Err(Error::unexpected("the tool panicked")));
            let (outcome, result) = match answer {
                Ok(output) => (ToolOutcome::Succeeded, output),
                Err(error) => {
                    (ToolOutcome::Failed, failure(&tool_failure(&call.name, &discretion.error(error))))
                }
            };
            (Arguments::Object(arguments), outcome, result)
        }
    };
    let (arguments, result) = discretion.call(arguments, result);
    let form = match result {
        ToolOutput::Text(_) | ToolOutput::Json(Value::String(_)) => ResultForm::Text,
        ToolOutput::Json(_) => ResultForm::Json,
    };
    let Cut { content, cut_from, whole } = cut(result.to_text(), run.limits.max_result_bytes);
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
    };
    ports.record(LogEvent::ToolTurn(turn.clone())).await?;
    Ok(turn)
}

/// The tool and its arguments, or why the call is not made.
fn admit<'a>(run: &'a Run, call: &ToolCall, place: Place) -> Result<(&'a BoundTool, JsonMap), String> {
    if !place.within {
        return Err(format!(
            "the limit of {} tool calls is reached; answer with what you have",
            run.limits.max_tool_calls
        ));
    }
    let Some(tool) = run.agent.tools.by_name.get(&*call.name) else {
        return Err(format!(
            "there is no tool named '{}'; use one of the tools that you were given",
            call.name
        ));
    };
    let arguments = tool.arguments(&call.arguments)?;
    Ok((tool, arguments))
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

pub(crate) fn millis(since: tokio::time::Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
