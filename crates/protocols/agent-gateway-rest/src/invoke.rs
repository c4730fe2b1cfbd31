//! `POST /v1/agents/{agent_id}/invoke`.
use agent_gateway_core::{
    agent::{Availability, ExecutionMode},
    execution::{ExecutionRequest, Mode, Origin},
    id::AgentId,
};
use agent_gateway_http::{Access, ApiError, Caller, Operation, Routes, Tag, json};
use agent_gateway_runtime::{Catalogue, Executions, Submitted};
use axum::{extract::State, http::StatusCode, response::Response};

mod request;
mod response;

use request::{Invocation, InvokeRequest, Streaming};
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
    State(catalogue): State<Catalogue>,
    Caller(principal): Caller,
    invocation: Invocation,
) -> Result<Response, ApiError> {
    let Invocation { agent_id, prefix, message, input, options, mode, streaming } = invocation;
    let Ok(agent) = AgentId::new(&agent_id) else {
        return Err(ApiError::not_found("agent_not_found", "Agent", &agent_id));
    };
    if streaming == Streaming::Wanted && would_be_queued(&catalogue, &agent, mode) {
        let sentence = "A queued run cannot be streamed; leave out 'stream' or run the agent synchronously";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "streaming_not_supported", sentence));
    }
    let request = ExecutionRequest::new(agent, message, principal, Origin::Http);
    match executions.submit(request.input(input).options(options).mode(mode)).await? {
        Submitted::Finished(run) => {
            Ok(json(StatusCode::OK, Some(&run.execution_id), &InvokeResponse::new(&run)))
        }
        Submitted::Queued(execution) => {
            let body = QueuedResponse::new(&execution, &prefix);
            Ok(json(StatusCode::ACCEPTED, Some(&execution.id), &body))
        }
    }
}

/// Unknown and disabled agents are not queued: `submit` says what is wrong with them.
fn would_be_queued(catalogue: &Catalogue, agent: &AgentId, mode: Mode) -> bool {
    let snapshot = catalogue.snapshot();
    snapshot.agent(agent.as_str()).is_some_and(|agent| {
        agent.availability == Availability::Enabled
            && (mode == Mode::Detach || agent.execution_mode == ExecutionMode::Async)
    })
}
