//! What invoke and chat share: the headers of a request for a run, and coming back to a stream.
use agent_gateway_core::{
    execution::{EventId, Execution, ExecutionRequest, StopReason},
    id::{AgentId, IdempotencyKey},
    principal::Principal,
};
use agent_gateway_http::{ApiError, Problems, idempotency_key, last_event_id};
use agent_gateway_runtime::{Completed, Executions, Refusal};
use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};

use crate::stream;

/// The status of an answer: a run that rests is accepted, and goes on later.
pub(crate) fn status_of(run: &Completed) -> StatusCode {
    match run.outcome.stop_reason {
        StopReason::Suspended => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    }
}

/// Where a caller goes on reading about a run that rests: its state, and the calls that it waits for.
pub(crate) fn waiting(run: &Completed, prefix: &str) -> (Option<String>, Option<String>) {
    if run.outcome.stop_reason != StopReason::Suspended {
        return (None, None);
    }
    let id = &run.execution_id;
    let approvals = format!("{prefix}/v1/approvals?status=pending&root_execution_id={id}");
    (Some(format!("{prefix}/v1/executions/{id}")), Some(approvals))
}

/// The headers of a request for a run.
#[derive(Debug)]
pub(crate) struct RunHeaders {
    key: Option<IdempotencyKey>,
    seen: Option<EventId>,
}

impl RunHeaders {
    pub(crate) fn read(headers: &HeaderMap, problems: &mut Problems) -> Result<Self, ApiError> {
        Ok(Self { key: idempotency_key(headers, problems), seen: last_event_id(headers)? })
    }

    /// The request with its key.
    pub(crate) fn apply(self, request: ExecutionRequest) -> ExecutionRequest {
        match self.key {
            Some(key) => request.idempotency_key(key),
            None => request,
        }
    }

    /// The rest of a stream that the caller comes back to: a client that repeats its request with the last event that it has
    /// seen wants no second run.
    pub(crate) async fn resumed(
        &self,
        executions: &Executions,
        caller: &Principal,
        request: &Repeated<'_>,
    ) -> Result<Option<Response>, ApiError> {
        let Some(seen) = &self.seen else { return Ok(None) };
        let stored = executions.get(&seen.execution, caller).await?;
        let is_that = |run: Execution| request.is_about(&run) && run.user_id.as_ref() == caller.id();
        if !stored.is_some_and(is_that) {
            return Err(Refusal::EventIdForeign.into());
        }
        match executions.events(&seen.execution, caller, Some(seen)).await? {
            Some(watched) => Ok(Some(stream::watched(watched))),
            None => Err(Refusal::EventIdForeign.into()),
        }
    }
}

/// What a request says that comes again for the rest of a stream.
#[derive(Debug)]
pub(crate) struct Repeated<'a> {
    pub(crate) agent: &'a AgentId,
    pub(crate) message: &'a str,
    pub(crate) session: Session<'a>,
}

/// The session that such a request names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Session<'a> {
    /// It wants no session.
    None,
    /// It wanted a new one.
    New,
    /// This one.
    Known(&'a str),
}

impl Repeated<'_> {
    /// Whether the run is what this request asked for when it came first.
    fn is_about(&self, run: &Execution) -> bool {
        let session = match (self.session, &run.session_id) {
            (Session::None, None) | (Session::New, Some(_)) => true,
            (Session::Known(wanted), Some(held)) => held.as_str() == wanted,
            _ => false,
        };
        session && run.agent_id == *self.agent && run.message == self.message
    }
}
