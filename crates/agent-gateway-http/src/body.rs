//! JSON bodies: bounded in size, depth and time.
use agent_gateway_core::JsonMap;
use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header::CONTENT_LENGTH, header::CONTENT_TYPE},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Value, json};

use crate::{ApiError, Handles, Problem, fields::not_an_object, handles::BodyLimits};

/// How deep arrays and objects of a body may nest. The JSON reader holds this limit.
pub const MAX_JSON_DEPTH: usize = 127;

/// The JSON object that a request carries.
///
/// Refused are: a body over the limit (413), one that arrives too slowly (408), another media type than JSON (415), none at
/// all, broken JSON and anything but an object (422).
#[derive(Clone, Debug, PartialEq)]
pub struct JsonObject(pub JsonMap);

impl FromRequest<Handles> for JsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, handles: &Handles) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let kind = media_kind(&parts.headers)?;
        let bytes = read(&parts.headers, body, handles.limits()).await?;
        object(kind, &bytes).map(Self)
    }
}

/// The JSON object that a request may carry; empty where it carries none.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionalJsonObject(pub JsonMap);

impl FromRequest<Handles> for OptionalJsonObject {
    type Rejection = ApiError;

    async fn from_request(request: Request, handles: &Handles) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts.headers, body, handles.limits()).await?;
        if bytes.is_empty() {
            return Ok(Self(JsonMap::new()));
        }
        object(media_kind(&parts.headers)?, &bytes).map(Self)
    }
}

/// What a request says of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MediaKind {
    Json,
    Unstated,
}

fn media_kind(headers: &HeaderMap) -> Result<MediaKind, ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(MediaKind::Unstated) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if is_json(essence) { Ok(MediaKind::Json) } else { Err(ApiError::unsupported_media_type()) }
}

fn is_json(essence: &str) -> bool {
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    let suffix = subtype.len().checked_sub("+json".len()).and_then(|at| subtype.get(at..));
    kind.eq_ignore_ascii_case("application")
        && (subtype.eq_ignore_ascii_case("json")
            || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json")))
}

async fn read(headers: &HeaderMap, body: Body, limits: BodyLimits) -> Result<Bytes, ApiError> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limits.max_bytes as u64) {
        return Err(ApiError::too_large(limits.max_bytes));
    }
    let whole = Limited::new(body, limits.max_bytes).collect();
    match tokio::time::timeout(limits.timeout, whole).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::too_large(limits.max_bytes)),
        Ok(Err(_)) => Err(ApiError::body_unreadable()),
        Err(_) => Err(ApiError::body_too_slow()),
    }
}

fn object(kind: MediaKind, bytes: &Bytes) -> Result<JsonMap, ApiError> {
    let refuse = |problem| Err(ApiError::validation(vec![problem]));
    if bytes.is_empty() {
        return refuse(Problem::new("missing", vec![json!("body")], "Field required").input(&Value::Null));
    }
    if kind == MediaKind::Unstated {
        return refuse(not_an_object(vec![json!("body")]));
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(other) => refuse(not_an_object(vec![json!("body")]).input(&other)),
        Err(error) => {
            let loc = vec![json!("body"), json!(offset(bytes, &error))];
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default();
            let problem = Problem::new("json_invalid", loc, "JSON decode error");
            refuse(problem.input(&json!({})).context(json!({"error": reason})))
        }
    }
}

/// Where the reader gave up, in bytes from the start.
fn offset(bytes: &[u8], error: &serde_json::Error) -> usize {
    if error.is_eof() {
        return bytes.len();
    }
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1));
    let before: usize = lines.map(<[u8]>::len).sum();
    (before + error.column().saturating_sub(1)).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_media_types_are_known_in_any_case_and_with_parameters() {
        for good in ["application/json", "Application/JSON", "application/problem+json", "application/a+JSON"]
        {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "text/json",
            "application/jsonp",
            "application/xml",
            "json",
            "",
            "application/+jso",
            "text/x+json",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[test]
    fn offsets_count_from_the_start() {
        let text = b"{\"a\": 1,\n \"b\": x}";
        let error = serde_json::from_slice::<Value>(text).unwrap_err();
        assert_eq!(offset(text, &error), 15);
    }

    #[test]
    fn the_depth_limit_is_what_it_says() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(object(MediaKind::Json, &nested(MAX_JSON_DEPTH).into()).is_ok());
        assert!(object(MediaKind::Json, &nested(MAX_JSON_DEPTH + 1).into()).is_err());
    }
}
