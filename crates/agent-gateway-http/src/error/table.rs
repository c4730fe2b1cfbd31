//! The only table from what went wrong to status and code.
use agent_gateway_core::{Error, ErrorKind, Retry, approval::ApprovalStatus};
use agent_gateway_runtime::{AuthFailure, FieldError, Refusal};
use axum::http::StatusCode;

use super::{ApiError, Detail, lines};
use crate::Problem;

/// Seconds after which to try again, where nothing better is known.
const SOON: u64 = 1;
/// Seconds after which to try again where a person must act first.
const LATER: u64 = 60;

/// Status, code and public sentence of a kind. `None`: a fault of ours, which is told by an id alone.
fn of_kind(kind: ErrorKind) -> Option<(StatusCode, &'static str, &'static str)> {
    Some(match kind {
        ErrorKind::Invalid => {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", "The request is not valid")
        }
        ErrorKind::Unauthenticated => {
            (StatusCode::UNAUTHORIZED, "auth_required", "Authentication is required")
        }
        ErrorKind::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "This is not permitted"),
        ErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is no such thing"),
        ErrorKind::AlreadyExists => (StatusCode::CONFLICT, "already_exists", "It exists already"),
        ErrorKind::Conflict => (StatusCode::CONFLICT, "conflict", "The state has changed meanwhile"),
        ErrorKind::Unsupported => {
            (StatusCode::NOT_IMPLEMENTED, "not_supported", "This is not supported here")
        }
        ErrorKind::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The request is too large")
        }
        ErrorKind::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests"),
        ErrorKind::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable",
            "A part of the service is not available now",
        ),
        ErrorKind::Timeout => (
            StatusCode::SERVICE_UNAVAILABLE,
            "service_unavailable",
            "A part of the service did not answer in time",
        ),
        ErrorKind::Cancelled => (StatusCode::CONFLICT, "cancelled", "It was cancelled"),
        ErrorKind::Misconfigured | ErrorKind::Unexpected => return None,
        // The kinds may grow; what is not in the table yet is a fault of ours.
        _ => return None,
    })
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let Some((status, code, sentence)) = of_kind(error.kind()) else {
            return Self::internal(&"a request failed", &error);
        };
        if status.is_server_error() {
            tracing::warn!(error = ?error, code, "a request could not be served");
        }
        let answer = Self::new(status, code, sentence).with_detail();
        match error.retry() {
            Retry::Later(Some(wait)) => answer.retry_after(wait.as_secs().max(SOON)),
            Retry::Later(None) => answer.retry_after(SOON),
            Retry::Never | Retry::Exhausted if status == StatusCode::SERVICE_UNAVAILABLE => {
                answer.retry_after(SOON)
            }
            Retry::Never | Retry::Exhausted => answer,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = match &refusal {
            Refusal::InputInvalid(_) | Refusal::SettingsInvalid(_) | Refusal::Failed(_) => String::new(),
            other => other.to_string(),
        };
        match refusal {
            Refusal::ScopeMissing(scope) => Self::scope_missing(&scope),
            Refusal::AgentNotFound(_) => Self::new(StatusCode::NOT_FOUND, "agent_not_found", message),
            // It comes back when somebody edits its file.
            Refusal::AgentDisabled(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "agent_disabled", message).retry_after(LATER)
            }
            Refusal::IdentityRequired(_) => Self::new(StatusCode::UNAUTHORIZED, "auth_required", message),
            Refusal::SetupRequired(_) => Self::new(StatusCode::CONFLICT, "setup_required", message),
            Refusal::NotPersonal(_) => Self::new(StatusCode::BAD_REQUEST, "not_personal_agent", message),
            Refusal::SettingsInvalid(fields) => {
                Self::validation(shortened(fields).into_iter().map(Problem::from).collect())
            }
            // They come back when the operator has given the gateway its key.
            Refusal::SecretKeyMissing(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "secret_key_missing", message).retry_after(LATER)
            }
            Refusal::SecretsUnreadable(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "secrets_unreadable", message).retry_after(LATER)
            }
            Refusal::StreamOfQueued => Self::new(StatusCode::BAD_REQUEST, "streaming_not_supported", message),
            Refusal::SessionNotFound(_) => Self::new(StatusCode::NOT_FOUND, "session_not_found", message),
            Refusal::SessionAgentMismatch(_) => {
                Self::new(StatusCode::CONFLICT, "session_agent_mismatch", message)
            }
            Refusal::SessionBusy(_) => {
                Self::new(StatusCode::CONFLICT, "session_busy", message).retry_after(SOON)
            }
            Refusal::ApprovalNotFound(_) => Self::new(StatusCode::NOT_FOUND, "approval_not_found", message),
            Refusal::ApprovalSettled(_, status) => {
                let code = match status {
                    ApprovalStatus::Expired => "approval_expired",
                    _ => "approval_settled",
                };
                Self::new(StatusCode::CONFLICT, code, message)
            }
            Refusal::IdempotencyKeyReused => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", message).with_detail()
            }
            Refusal::EventIdAhead => Self::new(StatusCode::BAD_REQUEST, "event_id_ahead", message),
            Refusal::EventIdForeign => Self::new(StatusCode::BAD_REQUEST, "event_id_mismatch", message),
            Refusal::FieldInvalid(field) => Self::validation(vec![field.into()]),
            Refusal::InputInvalid(fields) => input_invalid(fields),
            Refusal::Busy => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).with_detail().retry_after(SOON)
            }
            Refusal::ShuttingDown => Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", message)
                .with_detail()
                .retry_after(SOON),
            Refusal::Failed(error) => error.into(),
            other => Self::internal(&"a request was refused for a reason that has no code", &other),
        }
    }
}

/// The most characters of one sentence about the input: such a sentence may repeat the value.
const MAX_SENTENCE: usize = 300;

fn shortened(mut fields: Vec<FieldError>) -> Vec<FieldError> {
    for field in &mut fields {
        if let Some((end, _)) = field.msg.char_indices().nth(MAX_SENTENCE) {
            field.msg.truncate(end);
            field.msg.push('…');
        }
    }
    fields
}

fn input_invalid(fields: Vec<FieldError>) -> ApiError {
    let fields = shortened(fields);
    let message = format!("Input validation failed: {}", lines(&fields));
    let mut error = ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "input_validation_failed", message);
    error.0.detail = Detail::Problems(fields.iter().cloned().map(Problem::from).collect());
    error.0.details = fields;
    error
}

impl From<AuthFailure> for ApiError {
    fn from(failure: AuthFailure) -> Self {
        match failure {
            AuthFailure::Missing => Self::auth_required(),
            AuthFailure::Rejected(reason) => {
                Self::new(StatusCode::UNAUTHORIZED, "invalid_credentials", reason.to_string())
            }
            AuthFailure::Unavailable(error) => {
                tracing::warn!(error = ?error, "no authentication provider could judge a credential");
                let sentence = "The caller cannot be authenticated now";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", sentence)
                    .with_detail()
                    .retry_after(SOON)
            }
        }
    }
}

/// What the kit itself refuses.
impl ApiError {
    /// 401: nothing was presented.
    #[must_use]
    pub fn auth_required() -> Self {
        let sentence = "Authentication is required: send 'Authorization: Bearer <key>' or 'X-API-Key: <key>'";
        Self::new(StatusCode::UNAUTHORIZED, "auth_required", sentence)
    }

    /// 403: the caller is known and lacks this scope.
    #[must_use]
    pub fn scope_missing(scope: &str) -> Self {
        let sentence = format!("Insufficient scopes. Missing: ['{scope}']");
        Self::new(StatusCode::FORBIDDEN, "insufficient_scope", sentence).with_detail()
    }

    /// 404: no route has this path.
    pub(crate) fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this path").detail("Not Found")
    }

    /// 405: the path's routes have other methods.
    pub(crate) fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not take this method")
            .detail("Method Not Allowed")
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let sentence = format!("The request body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", sentence).with_detail()
    }

    pub(crate) fn unsupported_media_type() -> Self {
        let sentence = "The request body must be JSON: send 'Content-Type: application/json'";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", sentence).with_detail()
    }

    pub(crate) fn body_unreadable() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "body_unreadable", "The request body ended before it was whole")
            .with_detail()
    }

    pub(crate) fn body_too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request body took too long to arrive")
            .with_detail()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn faults_of_ours_tell_an_id_and_nothing_else() {
        for kind in [ErrorKind::Unexpected, ErrorKind::Misconfigured] {
            let error = ApiError::from(Error::new(kind, "SELECT secret FROM t").with("path", "/srv/data.db"));
            assert_eq!((error.status().as_u16(), error.code()), (500, "internal_error"));
            assert!(error.message().contains("err_"), "{error}");
            assert!(!error.message().contains("SELECT") && !error.message().contains("/srv"), "{error}");
        }
    }

    #[test]
    fn messages_for_operators_stay_in_the_log() {
        for kind in [ErrorKind::Invalid, ErrorKind::Unavailable, ErrorKind::NotFound, ErrorKind::Conflict] {
            let error = ApiError::from(Error::new(kind, "dsn postgres://u:p@h/db"));
            assert!(!error.message().contains("postgres"), "{error}");
        }
    }

    #[test]
    fn what_may_come_back_says_when() {
        let wait = Retry::Later(Some(Duration::from_secs(7)));
        let response = ApiError::from(Error::unavailable("away").retry_as(wait)).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "7");
        for refusal in [Refusal::Busy, Refusal::ShuttingDown, Refusal::Failed(Error::rate_limited("slow"))] {
            assert!(ApiError::from(refusal).into_response().headers().contains_key("retry-after"));
        }
    }
}
