//! Handing work to another agent, which is a run of its own.
use std::{fmt, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, JsonMap, Result,
    agent::Delegates,
    execution::{Guardrails, Outcome, StopReason},
    id::{AgentId, ExecutionId, ToolName},
    tool::{ToolOutput, ToolSource, ToolSpec},
};
use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{Reached, Run, call::Desk};

/// The name of the tool.
pub const DELEGATE: &str = "delegate_to_agent";

/// Runs what one run hands to another agent.
#[async_trait]
pub trait Delegator: fmt::Debug + Send + Sync {
    /// Runs a child to its end, or until it rests. The same key finds the same child again. Dropping the future stops the
    /// child.
    async fn delegate(&self, child: Child) -> Result<ChildEnd>;
}

/// A run that another one asks for.
#[derive(Clone, Debug)]
pub struct Child {
    /// The agent.
    pub agent: AgentId,
    /// What it is told.
    pub message: String,
    /// The structured input.
    pub input: JsonMap,
    /// What is left of the parent's limits.
    pub guardrails: Guardrails,
    /// The same for every attempt of the parent's call.
    pub key: String,
}

/// What became of a child.
#[derive(Clone, Debug)]
pub enum ChildEnd {
    /// It ended.
    Ended(Arc<Outcome>),
    /// It rests.
    Rests(ExecutionId),
    /// It was not begun, for this reason.
    Refused(String),
}

/// What a call of the tool came to.
#[derive(Debug)]
pub(crate) enum Delegated {
    /// An answer for the model.
    Answer(ToolOutput),
    /// The child rests.
    Rests(ExecutionId),
}

/// What a model is told of the tool. `others` are the agents that can be handed work, with what they are for.
pub fn delegation_spec<'a>(others: impl IntoIterator<Item = (&'a AgentId, &'a str)>) -> Result<ToolSpec> {
    let mut description = "Hands a task to another agent and gives its answer. The agent sees nothing of this conversation, so \
                           the message must say everything that it needs. Agents:"
        .to_owned();
    for (id, purpose) in others {
        let purpose = purpose.lines().next().unwrap_or_default();
        let colon = if purpose.is_empty() { "" } else { ": " };
        description.push_str(&format!("\n- {id}{colon}{purpose}"));
    }
    let parameters = json!({
        "type": "object",
        "properties": {
            "agent_id": {"type": "string", "description": "The id of the agent"},
            "message": {"type": "string", "description": "The task, in full"},
            "input": {"type": "object", "description": "Structured input, for agents that declare one"},
        },
        "required": ["agent_id", "message"],
    });
    Ok(ToolSpec::new(ToolName::new(DELEGATE)?, description, parameters, ToolSource::Code))
}

/// Makes a call. What keeps it from being made is an answer that begins with `Error:`, as callers of the reference know it.
pub(crate) async fn delegate(desk: &Desk<'_>, arguments: &JsonMap, key: String) -> Result<Delegated> {
    let refuse = |why: String| Ok(Delegated::Answer(ToolOutput::Text(format!("Error: {why}"))));
    let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
    let wanted = text("agent_id");
    if let Err(why) = may_delegate(desk.run, wanted) {
        return refuse(why);
    }
    let Ok(agent) = AgentId::new(wanted) else { return refuse(no_agent(wanted)) };
    if let Err(Reached::Delegations(most)) = desk.run.ledger.begin_delegation(&key) {
        return refuse(format!("the limit of {most} delegations in all is reached; do the work yourself"));
    }
    let input = arguments.get("input").and_then(Value::as_object).cloned().unwrap_or_default();
    let (message, guardrails, counted) = (text("message").to_owned(), what_is_left(desk), key.clone());
    match desk.ports.delegator.delegate(Child { agent, message, input, guardrails, key }).await? {
        ChildEnd::Rests(execution) => Ok(Delegated::Rests(execution)),
        ChildEnd::Refused(why) => {
            desk.run.ledger.forget_delegation(&counted);
            refuse(why)
        }
        ChildEnd::Ended(outcome) => Ok(Delegated::Answer(answer(wanted, &outcome))),
    }
}

fn may_delegate(run: &Run, wanted: &str) -> Result<(), String> {
    let own = &run.agent.definition;
    if wanted == own.id.as_str() {
        return Err("an agent cannot delegate to itself".to_owned());
    }
    if !own.delegates_to.allows(wanted) {
        return Err(match &own.delegates_to {
            Delegates::Only(agents) if !agents.is_empty() => {
                format!("this agent may not delegate to '{wanted}'; it may delegate to {}", agents.join(", "))
            }
            _ => format!("this agent may not delegate to '{wanted}'"),
        });
    }
    if run.context.delegation_depth >= run.limits.max_delegation_depth {
        return Err(format!(
            "the limit of {} nested delegations is reached; do the work yourself",
            run.limits.max_delegation_depth
        ));
    }
    Ok(())
}

fn no_agent(wanted: &str) -> String {
    let shown: String = wanted.chars().take(64).collect();
    format!("there is no agent '{shown}'")
}

/// A child has what its parent has left, at most.
fn what_is_left(desk: &Desk<'_>) -> Guardrails {
    let time = desk.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let (tokens, cost_usd) = desk.run.ledger.left();
    Guardrails {
        max_tokens: tokens.map(|tokens| tokens.max(1)),
        max_cost_usd: cost_usd.map(|cost| cost.max(f64::MIN_POSITIVE)),
        timeout_ms: Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        max_delegation_depth: Some(desk.run.limits.max_delegation_depth),
        ..Guardrails::default()
    }
}

/// A child's answer, as its parent's model sees it. One that is not whole says so.
fn answer(agent: &str, outcome: &Outcome) -> ToolOutput {
    let said = match (&outcome.output, outcome.raw_text.as_str()) {
        (Some(output), "") => output.to_string(),
        (_, text) => text.to_owned(),
    };
    let why = match outcome.stop_reason {
        StopReason::Completed | StopReason::MaxToolCalls => return ToolOutput::Text(said),
        StopReason::Error | StopReason::Stopped => outcome.error.as_deref().unwrap_or("it failed"),
        StopReason::Timeout => "its time was up",
        StopReason::Cancelled => "it was cancelled",
        StopReason::MaxIterations => "its limit of model turns was reached",
        StopReason::MaxTokens => "its limit of tokens was reached",
        StopReason::MaxCost => "its limit of cost was reached",
        _ => "it stopped early",
    };
    let error = format!("Error: the agent '{agent}' did not finish: {why}");
    ToolOutput::Text(if said.is_empty() { error } else { format!("{error}. Until then it said:\n{said}") })
}

/// For runs that hand nothing on.
#[derive(Debug)]
pub struct NoDelegation;

#[async_trait]
impl Delegator for NoDelegation {
    async fn delegate(&self, child: Child) -> Result<ChildEnd> {
        Err(Error::unsupported("runs are not delegated here").with("agent", child.agent))
    }
}
