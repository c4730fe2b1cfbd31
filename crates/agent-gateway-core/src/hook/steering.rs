//! Hooks that steer executions.
use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    JsonMap, Result,
    execution::{Outcome, StepPlace, ToolOutcome},
    id::{AgentId, ExecutionId, UserId},
    ports::model::ModelRequest,
    tool::{ToolOutput, ToolSpec},
};

/// Steers executions at five moments. Every method does nothing unless it is written.
///
/// Several hooks are asked in the order of their registration, and each sees what those before it made of the matter. The
/// first `Reject`, `Stop` or `Deny` wins, and the hooks behind it are not asked. A `Suspend` of any hook suspends the call,
/// unless a later one denies it.
///
/// A hook that fails, panics, or takes longer than ten seconds stands in the way of what it was asked about: the execution
/// ends failed, or the call is refused. What it would have said is not known, so nothing is let through.
///
/// An execution that goes on after a crash or a suspension is a new attempt: `before_execution` is asked again, and so is
/// `before_tool` about a call that had no result yet. Hooks that keep state must expect that.
#[async_trait]
pub trait ExecutionHook: fmt::Debug + Send + Sync + 'static {
    /// An attempt begins. Nothing was asked of the model yet.
    async fn before_execution(
        &self,
        _context: &HookContext,
        _start: &HookedStart,
    ) -> Result<BeforeExecution> {
        Ok(BeforeExecution::Continue)
    }

    /// The model is about to be asked: for a turn, for a second chance after an answer that misses its schema, by a step of a
    /// workflow, or as the fallback of a model that failed.
    async fn before_model(&self, _context: &HookContext, _request: &ModelRequest) -> Result<BeforeModel> {
        Ok(BeforeModel::Continue)
    }

    /// A tool is about to be called, with arguments that fit its schema.
    async fn before_tool(&self, _context: &HookContext, _call: &HookedCall) -> Result<BeforeTool> {
        Ok(BeforeTool::Allow)
    }

    /// A tool has answered or failed. Neither the model nor the log has seen the result yet.
    async fn after_tool(
        &self,
        _context: &HookContext,
        _call: &HookedCall,
        _result: &HookedResult,
    ) -> Result<AfterTool> {
        Ok(AfterTool::Keep)
    }

    /// The execution has ended, in whatever way, and the end is about to be stored. An error is logged and changes nothing.
    async fn after_execution(&self, _context: &HookContext, _outcome: &Outcome) -> Result<()> {
        Ok(())
    }
}

/// Which execution a hook is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookContext {
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent that runs.
    pub agent_id: AgentId,
    /// The identity of the caller.
    pub caller_identity: Option<UserId>,
    /// The execution that delegated to this one.
    pub parent_execution_id: Option<ExecutionId>,
    /// The first execution of the tree; its own id at the root.
    pub root_execution_id: ExecutionId,
    /// How many delegations lie above; 0 at the root.
    pub delegation_depth: u32,
    /// Whether earlier attempts got something done.
    pub attempt: Attempt,
}

impl HookContext {
    /// The first attempt of a root execution of a caller without an identity.
    #[must_use]
    pub fn root(execution_id: ExecutionId, agent_id: AgentId) -> Self {
        Self {
            root_execution_id: execution_id.clone(),
            execution_id,
            agent_id,
            caller_identity: None,
            parent_execution_id: None,
            delegation_depth: 0,
            attempt: Attempt::First,
        }
    }
}

/// Whether an execution begins or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It begins.
    First,
    /// It goes on from what an earlier attempt recorded.
    Resumed,
}

/// What an execution begins with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HookedStart {
    /// What the agent is told.
    pub message: Arc<str>,
    /// The structured input.
    pub input: Arc<JsonMap>,
    /// What hooks have added to the instructions so far.
    pub instructions: Vec<Arc<str>>,
}

impl HookedStart {
    /// A start without additions.
    pub fn new(message: impl Into<Arc<str>>, input: Arc<JsonMap>) -> Self {
        Self { message: message.into(), input, instructions: Vec::new() }
    }
}

/// A tool call that a hook is asked about.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HookedCall {
    /// The call's id within its turn.
    pub call_id: Arc<str>,
    /// The tool.
    pub tool: Arc<ToolSpec>,
    /// The arguments, defaults filled in.
    pub arguments: JsonMap,
    /// The step of a workflow that makes the call; `None`: the agent itself.
    pub within: Option<Arc<StepPlace>>,
}

impl HookedCall {
    /// A call of the agent's own.
    pub fn new(call_id: impl Into<Arc<str>>, tool: Arc<ToolSpec>, arguments: JsonMap) -> Self {
        Self { call_id: call_id.into(), tool, arguments, within: None }
    }

    /// The same, made by this step of a workflow.
    #[must_use]
    pub fn within(mut self, step: Option<Arc<StepPlace>>) -> Self {
        self.within = step;
        self
    }
}

/// What a tool call came to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HookedResult {
    /// Whether the tool succeeded.
    pub outcome: ToolOutcome,
    /// What it answered; of a failed call `{"error": ..}`.
    pub output: ToolOutput,
    /// How long it took.
    pub duration_ms: u64,
}

impl HookedResult {
    /// A result.
    #[must_use]
    pub fn new(outcome: ToolOutcome, output: ToolOutput, duration_ms: u64) -> Self {
        Self { outcome, output, duration_ms }
    }
}

/// What becomes of an execution that begins.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum BeforeExecution {
    /// It goes on.
    #[default]
    Continue,
    /// It goes on, changed.
    Patch {
        /// What the agent is told in the place of the caller's message. A session keeps what the caller said.
        message: Option<String>,
        /// What is added to the agent's instructions.
        instructions: Option<String>,
    },
    /// It ends here, failed, with this public sentence and the stop reason `stopped`.
    Reject(String),
}

/// What becomes of a request to the model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum BeforeModel {
    /// It goes out.
    #[default]
    Continue,
    /// This one goes out. Its `delivery` has no effect: whether the answer comes in pieces is up to the caller.
    Patch(Box<ModelRequest>),
    /// The execution ends here, failed, with this public sentence and the stop reason `stopped`.
    Stop(String),
}

/// What becomes of a tool call.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum BeforeTool {
    /// It is made.
    #[default]
    Allow,
    /// It is made with these arguments, which must fit the tool's schema. A call that a person approved keeps the arguments
    /// that the person saw.
    Rewrite(JsonMap),
    /// It is not made, and the model is told why.
    Deny(String),
    /// It waits for a person, who is asked this question. A call that a person approved is not held up again.
    Suspend(String),
}

/// What becomes of a tool's result.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum AfterTool {
    /// It is recorded, and the model sees it.
    #[default]
    Keep,
    /// This takes its place.
    Replace(ToolOutput),
}
