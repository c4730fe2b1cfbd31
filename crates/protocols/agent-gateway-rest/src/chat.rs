//! `POST /v1/agents/{agent_id}/chat`.
use agent_gateway_core::{
    execution::{ExecutionRequest, Origin, Thread},
    id::{AgentId, ConversationId},
    ports::model::Delivery,
};
use agent_gateway_http::{Access, ApiError, Caller, Operation, Routes, Tag, json};
use agent_gateway_runtime::{Executions, Submitted};
use axum::{extract::State, response::Response};

use crate::{
    run::{Repeated, Session, status_of},
    stream,
};

mod request;
mod response;

use request::{ChatRequest, Utterance};
use response::ChatResponse;

pub(crate) fn routes(routes: Routes) -> Routes {
    let operation = Operation::new("chat_with_agent", Tag::Chat, "Talk to an agent")
        .description(
            "One turn of a session; without `session_id` a new one begins. Turns of one session follow each other. A turn \
             that fails, is cancelled or takes too long is a 200 too: `status` says so.",
        )
        .header("Idempotency-Key", "Makes a repeated request run once; kept for 24 hours")
        .header("Last-Event-ID", "With `stream`: the last event that was seen of a turn, to get the rest of it")
        .body::<ChatRequest>()
        .returns::<ChatResponse<'_>>(200, "The turn ended")
        .streams(stream::EVENTS)
        .returns::<ChatResponse<'_>>(202, "A tool call waits for a person; the turn goes on once it is decided")
        .fails(400, "`invalid_event_id`, `event_id_ahead`, `event_id_mismatch`")
        .fails(404, "`agent_not_found`, `session_not_found`")
        .fails(409, "`session_agent_mismatch`, `session_busy`, `setup_required`")
        .fails(422, "`validation_failed`, `input_validation_failed`, `idempotency_key_reused`")
        .fails(503, "`agent_disabled`, `secrets_unreadable`, `busy`, `shutting_down`, `service_unavailable`");
    routes.post("/v1/agents/{agent_id}/chat", Access::Invoke, chat, operation)
}

async fn chat(
    State(executions): State<Executions>,
    Caller(principal): Caller,
    utterance: Utterance,
) -> Result<Response, ApiError> {
    let Utterance { agent_id, prefix, session_id, message, input, options, headers } = utterance;
    let Ok(agent) = AgentId::new(&agent_id) else {
        return Err(ApiError::not_found("agent_not_found", "Agent", &agent_id));
    };
    let session = session_id.as_deref().map_or(Session::New, Session::Known);
    if options.delivery == Delivery::Incremental
        && let Some(rest) = headers
            .resumed(&executions, &principal, &Repeated { agent: &agent, message: &message, session })
            .await?
    {
        return Ok(rest);
    }
    let thread = match session_id {
        None => Thread::New,
        Some(id) => Thread::Existing(
            ConversationId::new(&id).map_err(|_| ApiError::not_found("session_not_found", "Session", &id))?,
        ),
    };
    let request = ExecutionRequest::new(agent, message, principal, Origin::Http);
    let request = headers.apply(request.input(input).options(options).thread(thread));
    match executions.submit(request).await? {
        Submitted::Finished(run) => {
            Ok(json(status_of(&run), Some(&run.execution_id), &ChatResponse::new(&run, &prefix)))
        }
        Submitted::Streaming(run) => Ok(stream::answer(run.events, run.session_id)),
        Submitted::Queued(execution) => {
            Err(ApiError::internal(&"a turn of a session was queued", &execution.id))
        }
    }
}
