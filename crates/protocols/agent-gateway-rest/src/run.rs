//! What invoke and chat share: the headers of a request for a run, and coming back to a stream.
use agent_gateway_core::{
    execution::{EventId, ExecutionRequest},
    id::{AgentId, IdempotencyKey},
    principal::Principal,
};
use agent_gateway_http::{ApiError, Problems, idempotency_key, last_event_id};
use agent_gateway_runtime::{Executions, Refusal};
use axum::{http::HeaderMap, response::Response};

use crate::stream;

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
        agent: &AgentId,
    ) -> Result<Option<Response>, ApiError> {
        let Some(seen) = &self.seen else { return Ok(None) };
        match executions.events(&seen.execution, caller, Some(seen)).await? {
            Some(watched) if watched.execution().agent_id == *agent => Ok(Some(stream::watched(watched))),
            _ => Err(Refusal::EventIdForeign.into()),
        }
    }
}
