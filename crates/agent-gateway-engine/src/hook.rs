//! The hooks and observers of the application, asked and told in order, each with its time.
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result,
    execution::{ExecutionStatus, Outcome, StopReason, ToolOutcome, ToolTurn},
    hook::{
        AfterTool, AgentInvokeAfter, AgentInvokeBefore, Attempt, BeforeExecution, BeforeModel, BeforeTool,
        Event, ExecutionHook, HookContext, HookedCall, HookedResult, HookedStart, LlmCallAfter,
        LlmCallBefore, Observer, Occurrence, ToolExecuteAfter, ToolExecuteBefore,
    },
    id::ModelName,
    message::{Arguments, TokenUsage},
    ports::model::ModelRequest,
};
use futures::FutureExt;
use serde_json::Value;

use crate::{Run, guard::Halt, tools::BoundTool};

/// How long a hook may take.
const HOOK_TIME: Duration = Duration::from_secs(10);
/// How long an observer may take.
const OBSERVER_TIME: Duration = Duration::from_secs(5);

/// The hooks and observers of an application, in the order of their registration.
#[derive(Clone, Debug, Default)]
pub struct HookStack {
    steering: Arc<[Arc<dyn ExecutionHook>]>,
    observers: Arc<[Observer]>,
}

impl HookStack {
    /// These.
    #[must_use]
    pub fn new(steering: Vec<Arc<dyn ExecutionHook>>, observers: Vec<Observer>) -> Self {
        Self { steering: steering.into(), observers: observers.into() }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steering.is_empty() && self.observers.is_empty()
    }

    /// Tells the observers of an event, one after the other. What becomes of them is logged, and of no concern to anybody.
    pub async fn tell(&self, event: Event, occurrence: impl FnOnce() -> Occurrence) {
        if !self.observers.iter().any(|observer| observer.event() == event) {
            return;
        }
        let occurrence = occurrence();
        for observer in &*self.observers {
            if observer.event() != event {
                continue;
            }
            let told = async { observer.tell(occurrence.clone()).await };
            let why = match tokio::time::timeout(OBSERVER_TIME, AssertUnwindSafe(told).catch_unwind()).await {
                Ok(Ok(Ok(()))) => continue,
                Ok(Ok(Err(why))) => why,
                Ok(Err(_)) => "it panicked".to_owned(),
                Err(_) => format!("it took longer than {} s", OBSERVER_TIME.as_secs()),
            };
            let execution_id = occurrence.execution_id().map(ToString::to_string).unwrap_or_default();
            tracing::warn!(%event, execution_id, why, "an observer failed; nothing else is concerned");
        }
    }
}

/// Asks one hook. What it does not answer is a sentence for the caller or the model.
async fn asked<T>(moment: &str, answer: impl Future<Output = Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(HOOK_TIME, AssertUnwindSafe(answer).catch_unwind()).await {
        Ok(Ok(Ok(answer))) => Ok(answer),
        Ok(Ok(Err(error))) => {
            tracing::warn!(moment, error = ?error, "a hook failed");
            Err(failed(moment, &error))
        }
        Ok(Err(_)) => {
            tracing::error!(moment, "a hook panicked");
            Err(format!("a hook of the application failed {moment}"))
        }
        Err(_) => {
            tracing::error!(moment, "a hook took too long");
            let seconds = HOOK_TIME.as_secs();
            Err(format!("a hook of the application did not answer within {seconds} s {moment}"))
        }
    }
}

fn failed(moment: &str, error: &Error) -> String {
    match error.kind() {
        ErrorKind::Unexpected => format!("a hook of the application failed {moment}"),
        _ => format!("a hook of the application failed {moment}: {}", error.message()),
    }
}

/// Whether a tool call is made, as far as hooks are concerned.
pub(crate) enum Permission {
    /// It is.
    Granted,
    /// A person must agree first, and is asked this.
    Asks(Arc<str>),
    /// It is not, and the model is told why.
    Refused(String),
}

/// Whether a person has agreed to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Nobody was asked.
    NotAsked,
    /// To these very arguments.
    Given,
}

impl Run {
    fn hook_context(&self) -> HookContext {
        let context = &self.context;
        let mut facts = HookContext::root(context.execution_id.clone(), context.agent_id.clone());
        facts.caller_identity.clone_from(&context.caller_identity);
        facts.parent_execution_id.clone_from(&context.parent_execution_id);
        facts.root_execution_id.clone_from(&context.root_execution_id);
        facts.delegation_depth = context.delegation_depth;
        facts.attempt = if self.past.is_empty() { Attempt::First } else { Attempt::Resumed };
        facts
    }

    /// Tells that the run begins, unless an earlier attempt has told so.
    pub(crate) async fn tell_begin(&self) {
        if !self.past.is_empty() {
            return;
        }
        let facts = || AgentInvokeBefore {
            execution_id: self.context.execution_id.clone(),
            agent_id: self.context.agent_id.clone(),
            message: self.message.clone(),
        };
        self.hooks.tell(Event::AgentInvokeBefore, || Occurrence::AgentInvokeBefore(facts())).await;
    }

    /// Tells that a model is asked.
    pub(crate) async fn tell_asked(&self, model: &ModelName) {
        let facts = || LlmCallBefore {
            execution_id: self.context.execution_id.clone(),
            agent_id: self.context.agent_id.clone(),
            model: model.clone(),
        };
        self.hooks.tell(Event::LlmCallBefore, || Occurrence::LlmCallBefore(facts())).await;
    }

    /// Tells that a model has answered or failed.
    pub(crate) async fn tell_answered(
        &self,
        model: &ModelName,
        answer: Result<TokenUsage, &Error>,
        duration_ms: u64,
    ) {
        let usage = answer.unwrap_or_default();
        let facts = || LlmCallAfter {
            execution_id: self.context.execution_id.clone(),
            agent_id: self.context.agent_id.clone(),
            model: model.clone(),
            duration_ms,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            success: answer.is_ok(),
            error: answer.err().map(|error| error.message().to_owned()),
        };
        self.hooks.tell(Event::LlmCallAfter, || Occurrence::LlmCallAfter(facts())).await;
    }

    /// Tells that a tool is called.
    pub(crate) async fn tell_call(&self, call: &HookedCall) {
        let facts = || ToolExecuteBefore {
            execution_id: self.context.execution_id.clone(),
            agent_id: self.context.agent_id.clone(),
            tool_name: call.tool.name.as_str().into(),
            call_id: call.call_id.clone(),
            arguments: Arc::new(call.arguments.clone()),
        };
        self.hooks.tell(Event::ToolExecuteBefore, || Occurrence::ToolExecuteBefore(facts())).await;
    }

    /// Tells what a call came to that reached its tool.
    pub(crate) async fn tell_result(&self, turn: &ToolTurn) {
        if turn.outcome == ToolOutcome::Refused {
            return;
        }
        let facts = || {
            let (result, success) = (turn.output(), turn.outcome == ToolOutcome::Succeeded);
            let error = result.get("error").and_then(Value::as_str).filter(|_| !success).map(str::to_owned);
            ToolExecuteAfter {
                execution_id: self.context.execution_id.clone(),
                agent_id: self.context.agent_id.clone(),
                tool_name: turn.name.clone(),
                call_id: turn.call_id.clone(),
                result: Arc::new(result),
                duration_ms: turn.duration_ms,
                success,
                error,
            }
        };
        self.hooks.tell(Event::ToolExecuteAfter, || Occurrence::ToolExecuteAfter(facts())).await;
    }

    /// Asks what the run begins with.
    pub(crate) async fn begin(&self) -> Result<HookedStart, Halt> {
        let mut start = HookedStart::new(self.message.clone(), self.context.metadata.clone());
        if self.hooks.steering.is_empty() {
            return Ok(start);
        }
        let context = self.hook_context();
        for hook in &*self.hooks.steering {
            let answer =
                asked("before the execution", async { hook.before_execution(&context, &start).await });
            match answer.await.map_err(stopped)? {
                BeforeExecution::Patch { message, instructions } => {
                    start.message = message.map_or(start.message, Into::into);
                    start.instructions.extend(instructions.map(Into::into));
                }
                BeforeExecution::Reject(why) => return Err(stopped(why)),
                _ => {}
            }
        }
        Ok(start)
    }

    /// Asks what goes out to the model.
    pub(crate) async fn may_ask(&self, mut request: ModelRequest) -> Result<ModelRequest, Halt> {
        if self.hooks.steering.is_empty() {
            return Ok(request);
        }
        let (context, delivery) = (self.hook_context(), request.delivery);
        for hook in &*self.hooks.steering {
            let answer = asked("before the model", async { hook.before_model(&context, &request).await });
            match answer.await.map_err(stopped)? {
                BeforeModel::Patch(patched) => request = *patched,
                BeforeModel::Stop(why) => return Err(stopped(why)),
                _ => {}
            }
        }
        request.delivery = delivery;
        Ok(request)
    }

    /// Asks whether a call is made, and with which arguments.
    pub(crate) async fn may_call(
        &self,
        tool: &BoundTool,
        call: &mut HookedCall,
        agreement: Agreement,
    ) -> Permission {
        let mut permission = Permission::Granted;
        if self.hooks.steering.is_empty() {
            return permission;
        }
        let context = self.hook_context();
        for hook in &*self.hooks.steering {
            let answer = asked("before this call", async { hook.before_tool(&context, call).await }).await;
            match answer {
                Err(why) => return Permission::Refused(format!("{why}, so it was not made")),
                Ok(BeforeTool::Deny(why)) => return Permission::Refused(why),
                Ok(BeforeTool::Rewrite(arguments)) if agreement == Agreement::NotAsked => {
                    match tool.arguments(&Arguments::Object(arguments)) {
                        Ok(arguments) => call.arguments = arguments,
                        Err(why) => {
                            let tool = tool.spec().name.as_str();
                            tracing::error!(tool, why, "a hook wrote arguments that do not fit the tool");
                            return Permission::Refused(
                                "a hook of the application changed this call so that it cannot be made"
                                    .to_owned(),
                            );
                        }
                    }
                }
                Ok(BeforeTool::Suspend(question)) if agreement == Agreement::NotAsked => {
                    if let Permission::Granted = permission {
                        permission = Permission::Asks(question.into());
                    }
                }
                Ok(_) => {}
            }
        }
        permission
    }

    /// Asks what becomes of a result. One that a hook failed on is not shown.
    pub(crate) async fn after_tool(
        &self,
        call: &HookedCall,
        mut result: HookedResult,
    ) -> Result<HookedResult, String> {
        if self.hooks.steering.is_empty() {
            return Ok(result);
        }
        let context = self.hook_context();
        for hook in &*self.hooks.steering {
            let answer =
                asked("after this call", async { hook.after_tool(&context, call, &result).await }).await;
            let answer = answer.map_err(|why| format!("{why}, so the result is not shown"))?;
            if let AfterTool::Replace(output) = answer {
                result.output = output;
            }
        }
        Ok(result)
    }
}

/// Tells hooks and observers that a run has ended. It belongs between the end of the run and the storing of it, and not to a
/// run that rests or that another process goes on with.
pub async fn farewell(run: &Run, outcome: &Outcome) {
    if run.hooks.is_empty() {
        return;
    }
    let context = run.hook_context();
    for hook in &*run.hooks.steering {
        let answer = async { hook.after_execution(&context, outcome).await };
        // It has logged what went wrong, and there is nothing left to stand in the way of.
        drop(asked("after the execution", answer).await);
    }
    let facts = || AgentInvokeAfter {
        execution_id: context.execution_id.clone(),
        agent_id: context.agent_id.clone(),
        message: run.message.clone(),
        result: Arc::new(outcome.clone()),
        duration_ms: outcome.usage.duration_ms,
        success: outcome.stop_reason.status() == ExecutionStatus::Completed,
        error: outcome.error.clone(),
    };
    run.hooks.tell(Event::AgentInvokeAfter, || Occurrence::AgentInvokeAfter(facts())).await;
}

fn stopped(why: String) -> Halt {
    Halt::At(StopReason::Stopped, Some(why))
}
