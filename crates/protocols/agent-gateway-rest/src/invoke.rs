//! `POST /v1/agents/{agent_id}/invoke`.
use agent_gateway_core::{
    execution::{ExecutionRequest, Origin},
    id::AgentId,
    ports::model::Delivery,
};
use agent_gateway_http::{Access, ApiError, Caller, Operation, Routes, Tag, json};
use agent_gateway_runtime::{Executions, Submitted};
use axum::{extract::State, http::StatusCode, response::Response};

use crate::{
    run::{Repeated, Session, status_of},
    stream,
};

mod request;
mod response;

use request::{Invocation, InvokeRequest};
use response::{InvokeResponse, QueuedResponse};

pub(crate) fn routes(routes: Routes) -> Routes {
    let operation = Operation::new("invoke_agent", Tag::Agents, "Run an agent")
        .description(
            "Waits for the answer, or queues the run when the agent or the caller asks for that. A run that fails, \
             is cancelled or takes too long is a 200 too: `status` says so.",
        )
        .header("Idempotency-Key", "Makes a repeated request run once; kept for 24 hours")
        .header("Last-Event-ID", "With `stream`: the last event that was seen of a run, to get the rest of it")
        .body::<InvokeRequest>()
        .returns::<InvokeResponse<'_>>(200, "The run ended")
        .streams(crate::stream::EVENTS)
        .returns::<QueuedResponse<'_>>(202, "The run is queued; its end is read at `poll_url`")
        .fails(400, "`streaming_not_supported`, `invalid_event_id`, `event_id_ahead`, `event_id_mismatch`")
        .fails(404, "`agent_not_found`")
        .fails(409, "`setup_required`")
        .fails(422, "`validation_failed`, `input_validation_failed`, `idempotency_key_reused`")
        .fails(503, "`agent_disabled`, `secrets_unreadable`, `busy`, `shutting_down`, `service_unavailable`");
    routes.post("/v1/agents/{agent_id}/invoke", Access::Invoke, invoke, operation)
}

async fn invoke(
    State(executions): State<Executions>,
    Caller(principal): Caller,
    invocation: Invocation,
) -> Result<Response, ApiError> {
    let Invocation { agent_id, prefix, message, input, options, mode, headers } = invocation;
    let Ok(agent) = AgentId::new(&agent_id) else {
        return Err(ApiError::not_found("agent_not_found", "Agent", &agent_id));
    };
    if options.delivery == Delivery::Incremental
        && let Some(rest) = headers
            .resumed(
                &executions,
                &principal,
                &Repeated { agent: &agent, message: &message, session: Session::None },
            )
            .await?
    {
        return Ok(rest);
    }
    let request = ExecutionRequest::new(agent, message, principal, Origin::Http);
    let request = headers.apply(request.input(input).options(options).mode(mode));
    match executions.submit(request).await? {
        Submitted::Streaming(run) => Ok(stream::answer(run.events, run.session_id)),
        Submitted::Finished(run) => {
            Ok(json(status_of(&run), Some(&run.execution_id), &InvokeResponse::new(&run, &prefix)))
        }
        Submitted::Queued(execution) => {
            let body = QueuedResponse::new(&execution, &prefix);
            Ok(json(StatusCode::ACCEPTED, Some(&execution.id), &body))
        }
    }
}
