//! The one error envelope.
use std::{borrow::Cow, fmt, hash::BuildHasher};

use agent_gateway_core::id::ExecutionId;
use agent_gateway_runtime::FieldError;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

mod table;
mod wire;

pub use wire::{ErrorBody, ErrorMember, FieldErrorBody};

use crate::{Problem, reply::EXECUTION_ID};

/// An answer that says what went wrong: `{"error": {"code", "message", ..}}`.
///
/// Where the reference's clients read a `detail` member, it is there too.
pub struct ApiError(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    execution_id: Option<ExecutionId>,
    details: Vec<FieldError>,
    detail: Detail,
    retry_after: Option<u64>,
}

/// The member that older clients read.
#[derive(Serialize)]
#[serde(untagged)]
enum Detail {
    None,
    Text(Cow<'static, str>),
    Problems(Vec<Problem>),
}

impl ApiError {
    /// An error with this status, code and sentence for the client.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            status,
            code,
            message: message.into(),
            execution_id: None,
            details: Vec::new(),
            detail: Detail::None,
            retry_after: None,
        }))
    }

    /// 404: there is no such thing, or none that the caller may see. `title` names it, as in `Agent`.
    #[must_use]
    pub fn not_found(code: &'static str, title: &str, id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, format!("{title} '{id}' not found"))
    }

    /// 422 with every problem at once.
    #[must_use]
    pub fn validation(problems: Vec<Problem>) -> Self {
        let details: Vec<FieldError> = problems.iter().map(Problem::to_field_error).collect();
        let message = format!("Request validation failed: {}", lines(&details));
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_failed", message);
        error.0.details = details;
        error.0.detail = Detail::Problems(problems);
        error
    }

    /// The same error about one execution.
    #[must_use]
    pub fn of_execution(mut self, id: ExecutionId) -> Self {
        self.0.execution_id = Some(id);
        self
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The sentence for the client.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// 500 for something that nobody planned for. The cause goes to the log, under an id that the client is told.
    #[must_use]
    pub fn internal(what: &dyn fmt::Display, cause: &dyn fmt::Debug) -> Self {
        let id = incident_id();
        tracing::error!(incident = %id, cause = ?cause, "{what}");
        Self::of_incident(&id)
    }

    pub(crate) fn incident(what: &'static str) -> Self {
        let id = incident_id();
        tracing::error!(incident = %id, "{what}");
        Self::of_incident(&id)
    }

    fn of_incident(id: &str) -> Self {
        let message = format!("Internal error {id}; the server's log has the cause under this id");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", message).with_detail()
    }

    /// The message as the `detail` text too.
    fn with_detail(mut self) -> Self {
        self.0.detail = Detail::Text(self.0.message.clone());
        self
    }

    fn detail(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Detail::Text(text.into());
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }
}

/// Errors as lines of one sentence: where, and what.
fn lines(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Eight random bytes; `RandomState` is seeded by the system.
fn incident_id() -> String {
    let random = std::collections::hash_map::RandomState::new();
    format!("err_{:016x}", random.hash_one(()))
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let inner = *self.0;
        let body = wire::Envelope {
            error: wire::Member {
                code: inner.code,
                message: &inner.message,
                execution_id: inner.execution_id.as_ref(),
                details: &inner.details,
            },
            detail: match &inner.detail {
                Detail::None => None,
                detail => Some(detail),
            },
        };
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = inner.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if inner.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = inner.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(value) = inner.execution_id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
            headers.insert(EXECUTION_ID, value);
        }
        response
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl std::error::Error for ApiError {}
