//! Runs one stored execution. Waiting requests and workers both end here.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    execution::{Cursor, Execution, Fence, Outcome},
    tool::ToolContext,
};
use agent_gateway_engine::{AgentPlan, OutputSchema, Ports as EnginePorts, Run, drive};

use crate::{Ports, Recipe, recorder::StoreRecorder, running::Seat};

/// Drives `execution` to its end under its fence, and stores that.
pub(crate) async fn run(
    ports: &Ports,
    recipe: &Recipe,
    plan: Arc<AgentPlan>,
    execution: &Execution,
    seat: &Seat,
) -> Result<Arc<Outcome>> {
    let fence = execution.fence;
    let last = if fence == Fence::NONE.next() { Cursor::START } else { end_of_log(ports, execution).await? };
    let recorder =
        StoreRecorder::new(ports.persistence.clone(), ports.clock.clone(), execution.id.clone(), fence, last);
    let run = prepare(recipe, plan, execution)?;
    let engine_ports = EnginePorts { model: &*ports.model, recorder: &recorder, clock: &*ports.clock };
    let ended = drive(&run, engine_ports, seat.cancel()).await;
    recorder.settle(ended).await
}

/// Where an earlier attempt left the log: a later attempt writes behind it.
pub(crate) async fn end_of_log(ports: &Ports, execution: &Execution) -> Result<Cursor> {
    const PAGE: u32 = 500;
    let mut last = Cursor::START;
    loop {
        let entries = ports.persistence.executions().log(&execution.id, last, PAGE).await?;
        match entries.last() {
            Some(entry) => last = entry.sequence,
            None => return Ok(last),
        }
    }
}

/// Applies every default: the request's options win over the agent, the agent over the gateway.
fn prepare(recipe: &Recipe, plan: Arc<AgentPlan>, execution: &Execution) -> Result<Run> {
    let mut limits = recipe.limits;
    if let Some(timeout) = execution.options.timeout_ms {
        limits.timeout = Duration::from_millis(timeout);
    }
    let output_schema = match execution.options.output_schema.as_ref().filter(|schema| !is_empty(schema)) {
        Some(schema) => Some(Arc::new(OutputSchema::compile(schema.clone())?)),
        None => plan.output_schema.clone(),
    };
    let mut context = ToolContext::root(execution.id.clone(), execution.agent_id.clone());
    context.caller_identity.clone_from(&execution.user_id);
    context.metadata = Arc::new(execution.input.clone().unwrap_or_default());
    context.parent_execution_id.clone_from(&execution.parent_execution_id);
    context.delegation_depth = execution.delegation_depth;
    if let Some(root) = &execution.root_execution_id {
        context.root_execution_id = root.clone();
    }
    context.delegates_to = plan.definition.delegates_to.clone().into();
    Ok(Run { message: execution.message.as_str().into(), agent: plan, context, limits, output_schema })
}

/// An empty schema counts as none.
pub(crate) fn is_empty(schema: &serde_json::Value) -> bool {
    schema.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Why an execution whose agent is gone fails.
pub(crate) fn agent_gone(execution: &Execution) -> Error {
    Error::not_found("the agent of this execution is no longer served").with("agent", &execution.agent_id)
}
