//! `POST /v1/agents/{agent_id}/invoke`.
use agent_gateway_core::{
    execution::{ExecutionRequest, Origin},
    id::AgentId,
};
use agent_gateway_http::{Access, ApiError, Caller, Operation, Routes, Tag, json};
use agent_gateway_runtime::{Executions, Submitted};
use axum::{extract::State, http::StatusCode, response::Response};

mod request;
mod response;

use request::{Invocation, InvokeRequest};
pub(crate) use response::UsageInfo;
use response::{InvokeResponse, QueuedResponse};

pub(crate) fn routes(routes: Routes) -> Routes {
    let operation = Operation::new("invoke_agent", Tag::Agents, "Run an agent")
        .description(
            "Waits for the answer, or queues the run when the agent or the caller asks for that. A run that fails, \
             is cancelled or takes too long is a 200 too: `status` says so.",
        )
        .body::<InvokeRequest>()
        .returns::<InvokeResponse<'_>>(200, "The run ended")
        .returns::<QueuedResponse<'_>>(202, "The run is queued; its end is read at `poll_url`")
        .fails(400, "`streaming_not_supported`")
        .fails(404, "`agent_not_found`")
        .fails(409, "`setup_required`")
        .fails(422, "`validation_failed`, `input_validation_failed`")
        .fails(503, "`agent_disabled`, `busy`, `shutting_down`, `service_unavailable`");
    routes.post("/v1/agents/{agent_id}/invoke", Access::Invoke, invoke, operation)
}

async fn invoke(
    State(executions): State<Executions>,
    Caller(principal): Caller,
    invocation: Invocation,
) -> Result<Response, ApiError> {
    let Invocation { agent_id, prefix, message, input, options, mode, delivery } = invocation;
    let Ok(agent) = AgentId::new(&agent_id) else {
        return Err(ApiError::not_found("agent_not_found", "Agent", &agent_id));
    };
    let request = ExecutionRequest::new(agent, message, principal, Origin::Http);
    match executions.submit(request.input(input).options(options).mode(mode).delivery(delivery)).await? {
        Submitted::Finished(run) => {
            Ok(json(StatusCode::OK, Some(&run.execution_id), &InvokeResponse::new(&run)))
        }
        Submitted::Queued(execution) => {
            let body = QueuedResponse::new(&execution, &prefix);
            Ok(json(StatusCode::ACCEPTED, Some(&execution.id), &body))
        }
    }
}
