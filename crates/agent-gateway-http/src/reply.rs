//! Successful answers.
use agent_gateway_core::id::ExecutionId;
use axum::{
    body::Body,
    extract::OriginalUri,
    http::{HeaderName, HeaderValue, StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::ApiError;

/// The header that repeats the execution id of the body.
pub const EXECUTION_ID: HeaderName = HeaderName::from_static("x-execution-id");

/// Answers with JSON, and with [`EXECUTION_ID`] where the answer is about one execution.
pub fn json<T: Serialize>(status: StatusCode, execution: Option<&ExecutionId>, body: &T) -> Response {
    let mut bytes = Vec::with_capacity(512);
    if let Err(error) = serde_json::to_writer(&mut bytes, body) {
        return ApiError::internal(&"an answer could not be written as JSON", &error).into_response();
    }
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(value) = execution.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        headers.insert(EXECUTION_ID, value);
    }
    response
}

/// Where the gateway is mounted in its parent, such as `/ai`; empty at the root.
#[must_use]
pub fn mount_prefix(parts: &Parts) -> &str {
    let original = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    original.path().strip_suffix(parts.uri.path()).unwrap_or_default()
}
