//! Headers that a request for a run may carry.
use agent_gateway_core::{execution::EventId, id::IdempotencyKey};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use serde_json::json;

use crate::{ApiError, Problem, Problems};

/// What makes a repeated request run once.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The last event that a client has seen.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The idempotency key of a request, where it has one. A key that cannot be one is a problem.
pub fn idempotency_key(headers: &HeaderMap, problems: &mut Problems) -> Option<IdempotencyKey> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next()?;
    let key = value.to_str().ok().filter(|_| values.next().is_none());
    let key = key.and_then(|text| IdempotencyKey::new(text.trim()).ok());
    key.or_else(|| {
        let loc = vec![json!("header"), json!("idempotency-key")];
        let msg = "Input should be one line of 1 to 255 printable ASCII characters, sent once";
        problems.push(Problem::new("value_error", loc, msg));
        None
    })
}

/// Reads the id of an event that a client has seen; an empty one counts as absent, as browsers have it.
pub fn event_id(text: Option<&str>) -> Result<Option<EventId>, ApiError> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    let not_one = |_| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "invalid_event_id",
            "The Last-Event-ID is not one of this gateway's event ids; leave it out to read from the beginning",
        )
    };
    text.parse().map(Some).map_err(not_one)
}

/// The `Last-Event-ID` of a request.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, ApiError> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    event_id(Some(value.to_str().unwrap_or("not text")))
}
