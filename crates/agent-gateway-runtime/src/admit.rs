//! Admission: every rule that a request must meet before anything is stored.
use std::sync::Arc;

use agent_gateway_core::{
    agent::{AgentScope, Availability, ExecutionMode},
    execution::{
        Departure, Execution, ExecutionRequest, ExecutionStatus, Fence, Mode, Origin, Target, Thread,
    },
    id::{ExecutionId, IdempotencyKey},
    ports::model::Delivery,
    principal::Principal,
};
use agent_gateway_engine::{AgentPlan, FieldError, OutputSchema};
use serde_json::json;

use crate::{
    Ports, Refusal, Snapshot, children::KEY_PREFIX, idempotency, run::is_empty, settings::UserSettings,
};

/// The most characters of a message.
pub const MAX_MESSAGE_CHARS: usize = 102_400;
/// The shortest and the longest time that a caller may ask for.
const TIMEOUT_MS: std::ops::RangeInclusive<u64> = 1_000..=300_000;

/// A request that may run.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The agent, as it is in the snapshot of this moment.
    pub(crate) plan: Arc<AgentPlan>,
    /// The record to store.
    pub(crate) execution: Execution,
    /// Where it runs.
    pub(crate) placement: Placement,
    /// The conversation that it is to be a turn of.
    pub(crate) thread: Thread,
    /// Who asks.
    pub(crate) caller: Principal,
    /// The user's settings, which the next stage looks up.
    pub(crate) settings: UserSettings,
}

/// Where an execution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// In this process, while the caller waits.
    Here,
    /// With a worker.
    Queue,
}

/// Holds a request against the rules, in the order in which clients know their errors.
pub(crate) fn admit(
    request: ExecutionRequest,
    snapshot: &Snapshot,
    ports: &Ports,
) -> Result<Admitted, Refusal> {
    let Target::Agent(agent_id) = &request.target else {
        return Err(Refusal::AgentNotFound("?".to_owned()));
    };
    if !request.principal.scopes().grants_invoke(agent_id.as_str()) {
        return Err(Refusal::ScopeMissing("agents:invoke".to_owned()));
    }
    let plan =
        snapshot.plan(agent_id.as_str()).ok_or_else(|| Refusal::AgentNotFound(agent_id.to_string()))?;
    if plan.definition.availability == Availability::Disabled {
        return Err(Refusal::AgentDisabled(agent_id.clone()));
    }
    check_message(&request.message)?;
    check_key(&request)?;
    check_options(&request)?;
    check_input(plan, &request)?;
    if plan.definition.scope == AgentScope::Personal && request.principal.id().is_none() {
        return Err(Refusal::IdentityRequired(agent_id.clone()));
    }
    // A conversation is talked in: its turns are never queued.
    let placement = match (request.mode, plan.definition.execution_mode) {
        _ if request.thread != Thread::None => Placement::Here,
        (Mode::Wait, _) | (Mode::AsAgent, ExecutionMode::Sync) => Placement::Here,
        _ => Placement::Queue,
    };
    if placement == Placement::Queue && request.options.delivery == Delivery::Incremental {
        return Err(Refusal::StreamOfQueued);
    }
    let idempotency = idempotency::of(&request);
    let (plan, agent_id) = (plan.clone(), agent_id.clone());
    let now = ports.clock.now();
    let mut execution = Execution::new(ExecutionId::generate(), agent_id, request.message, now);
    execution.input = Some(request.input).filter(|input| !input.is_empty());
    execution.options = request.options;
    execution.user_id = request.principal.id().cloned();
    execution.revision.clone_from(&snapshot.definitions().revision);
    // Whoever sends a key comes back with it when the line breaks, and wants the answer then.
    if idempotency.is_some() {
        execution.options.departure = Departure::Detaches;
    }
    execution.idempotency = idempotency;
    place(&mut execution, request.origin);
    if placement == Placement::Here {
        execution.status = ExecutionStatus::Running;
        execution.fence = Fence::NONE.next();
        execution.started_at = Some(now);
    } else {
        execution.options.departure = Departure::Detaches;
    }
    let (thread, caller, settings) = (request.thread, request.principal, UserSettings::default());
    Ok(Admitted { plan, execution, placement, thread, caller, settings })
}

fn place(execution: &mut Execution, origin: Origin) {
    match origin {
        Origin::Schedule { id, name, .. } => {
            execution.schedule_id = Some(id);
            execution.schedule_name = Some(name);
        }
        Origin::Delegation(lineage) => {
            execution.parent_execution_id = Some(lineage.parent);
            execution.root_execution_id = Some(lineage.root);
            execution.delegation_depth = lineage.depth;
        }
        _ => {}
    }
}

fn check_message(message: &str) -> Result<(), Refusal> {
    let refuse = |kind: &str, msg: String| {
        Err(Refusal::FieldInvalid(FieldError {
            loc: vec![json!("body"), json!("message")],
            msg,
            kind: kind.to_owned(),
        }))
    };
    if message.is_empty() {
        return refuse("string_too_short", "String should have at least 1 character".to_owned());
    }
    // A character has at most four bytes: most messages need no counting.
    if message.len() > MAX_MESSAGE_CHARS && message.chars().nth(MAX_MESSAGE_CHARS).is_some() {
        return refuse(
            "string_too_long",
            format!("String should have at most {MAX_MESSAGE_CHARS} characters"),
        );
    }
    Ok(())
}

/// Runs that others delegate to are found by their keys, so that no caller may take one of those.
fn check_key(request: &ExecutionRequest) -> Result<(), Refusal> {
    let is_theirs = |key: &IdempotencyKey| key.as_str().starts_with(KEY_PREFIX);
    let is_delegation = matches!(request.origin, Origin::Delegation(_));
    if is_delegation || !request.idempotency_key.as_ref().is_some_and(is_theirs) {
        return Ok(());
    }
    Err(Refusal::FieldInvalid(FieldError {
        loc: vec![json!("header"), json!("idempotency-key")],
        msg: format!("Keys that begin with '{KEY_PREFIX}' belong to the gateway; send another one"),
        kind: "value_error".to_owned(),
    }))
}

fn check_options(request: &ExecutionRequest) -> Result<(), Refusal> {
    let refuse = |field: &str, kind: &str, msg: String| {
        let loc = vec![json!("body"), json!("options"), json!(field)];
        Err(Refusal::FieldInvalid(FieldError { loc, msg, kind: kind.to_owned() }))
    };
    if let Some(timeout) = request.options.timeout_ms {
        if timeout < *TIMEOUT_MS.start() {
            return refuse(
                "timeout_ms",
                "greater_than_equal",
                "Input should be greater than or equal to 1000".to_owned(),
            );
        }
        if timeout > *TIMEOUT_MS.end() {
            return refuse(
                "timeout_ms",
                "less_than_equal",
                "Input should be less than or equal to 300000".to_owned(),
            );
        }
    }
    match request.options.output_schema.as_ref().filter(|schema| !is_empty(schema)) {
        None => Ok(()),
        Some(schema) => match OutputSchema::compile(schema.clone()) {
            Ok(_) => Ok(()),
            Err(error) => refuse("output_schema", "value_error", error.to_string()),
        },
    }
}

fn check_input(plan: &AgentPlan, request: &ExecutionRequest) -> Result<(), Refusal> {
    let Some(schema) = &plan.input_schema else { return Ok(()) };
    let mut errors = schema.check(&serde_json::Value::Object(request.input.clone()), &["body", "input"]);
    if request.thread != Thread::None {
        // What is missing is asked for in the course of the conversation.
        errors.retain(|error| error.kind != "missing");
    }
    if errors.is_empty() { Ok(()) } else { Err(Refusal::InputInvalid(errors)) }
}
