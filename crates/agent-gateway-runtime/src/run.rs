//! Runs one stored execution. Waiting requests and workers both end here.
use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use agent_gateway_core::{
    Result,
    execution::{Cursor, Execution, Fence, LogEvent, Outcome},
    tool::ToolContext,
};
use agent_gateway_engine::{AgentPlan, Ended, OutputSchema, Ports as EnginePorts, Run, drive};
use futures::FutureExt;

use crate::{
    Ports, Recipe,
    recorder::StoreRecorder,
    running::Seat,
    unrun::{end_of_log, failed},
};

/// Drives `execution` to its end under its fence, and stores that. A panic on the way is a failed run.
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
    let ended = AssertUnwindSafe(drive(&run, engine_ports, seat.cancel())).catch_unwind().await;
    recorder.settle(ended.unwrap_or_else(|_| faulted())).await
}

fn faulted() -> Ended {
    tracing::error!("a port or a tool panicked; the execution is recorded as failed");
    let outcome = failed("the execution hit a fault of the gateway");
    Ended { unrecorded: vec![LogEvent::Finished(outcome.clone())], outcome }
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
