//! Failures of a call, by cause, and the public sentence that each becomes. The library's own errors are never shown: some of
//! them print whole requests and answers.
use std::{borrow::Cow, time::Duration};

use agent_gateway_core::{
    Error, Retry,
    clock::{Clock, SystemClock},
};
use genai::webc::{self, StreamTimeout};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::{
    frames::Seen,
    message::{Said, Topic},
    retry_after,
};

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum Cause {
    /// The provider answered with an error status, or with an error that stands for one.
    Status { status: u16, said: Said, retry_after: Option<Duration> },
    /// No connection could be made, or it broke. The source holds no URL.
    Connection { what: &'static str, source: Option<reqwest::Error> },
    /// No connection could be made in time.
    NoConnection,
    /// A limit of time was reached.
    Time { limit: TimeLimit, after: Duration },
    /// The answer ended before its end.
    CutOff,
    /// The answer is over a bound.
    TooLarge { limit: usize },
    /// The answer is not what the wire says.
    Garbage { what: Cow<'static, str> },
    /// The provider reported an error inside its answer.
    Reported { message: Option<String> },
    /// The library refuses the request.
    Unsupported { what: &'static str },
}

/// Which limit of time was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    FirstByte,
    Idle,
    Total,
}

/// What a model does not take for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SchemaRefusal {
    /// Any JSON Schema.
    OfAny,
    /// This one.
    OfThis,
}

/// Whom an error is about.
#[derive(Debug)]
pub(crate) struct Blame<'a> {
    pub(crate) provider: &'a str,
    /// Where the operator sets the key; empty when nobody said.
    pub(crate) key_place: &'a str,
    pub(crate) attempts: u32,
}

impl Cause {
    /// What a failure of the library's means.
    pub(crate) fn of(error: genai::Error, seen: &Seen, key: Option<&str>) -> Self {
        match error {
            genai::Error::HttpError { status, body, headers, .. } => {
                Self::status(status.as_u16(), &body, &headers, key)
            }
            genai::Error::WebModelCall { webc_error, .. }
            | genai::Error::WebAdapterCall { webc_error, .. } => Self::of_web(webc_error, key),
            genai::Error::WebStream { error, .. } => Self::of_box(error, seen, key),
            genai::Error::ChatResponse { body, .. } => Self::reported(&body, key),
            genai::Error::StreamParse { serde_error, .. } | genai::Error::SerdeJson(serde_error) => {
                let place = if serde_error.is_data() { "JSON of another shape" } else { "no JSON" };
                Self::garbage(format!(
                    "{place} at line {}, column {}",
                    serde_error.line(),
                    serde_error.column()
                ))
            }
            genai::Error::JsonValueExt(_) | genai::Error::InvalidJsonResponseElement { .. } => {
                Self::garbage("JSON of another shape")
            }
            genai::Error::AdapterNotSupported { .. } => Self::Unsupported { what: "this model or request" },
            genai::Error::MessageContentTypeNotSupported { .. }
            | genai::Error::MessageRoleNotSupported { .. } => {
                Self::Unsupported { what: "this kind of message" }
            }
            _ => Self::garbage("something that this client does not know"),
        }
    }

    fn of_web(error: webc::Error, key: Option<&str>) -> Self {
        match error {
            webc::Error::ResponseFailedStatus { status, body, headers } => {
                Self::status(status.as_u16(), &body, &headers, key)
            }
            webc::Error::Reqwest(error) => Self::of_http(error),
            _ => Self::garbage("no JSON"),
        }
    }

    fn of_box(error: genai::BoxError, seen: &Seen, key: Option<&str>) -> Self {
        let error = match error.downcast::<genai::Error>() {
            Ok(inner) => return Self::of(*inner, seen, key),
            Err(error) => error,
        };
        match error.downcast::<reqwest::Error>() {
            Ok(error) if seen.latest.is_some() && !error.is_timeout() => Self::Connection {
                what: "broke the connection in the middle of its answer",
                source: Some(error.without_url()),
            },
            Ok(error) => Self::of_http(*error),
            Err(error) if error.is::<std::string::FromUtf8Error>() => Self::garbage("no UTF-8"),
            Err(error) if error.is::<StreamTimeout>() => {
                Self::Connection { what: "fell silent", source: None }
            }
            Err(_) => Self::Connection { what: "broke the connection", source: None },
        }
    }

    fn of_http(error: reqwest::Error) -> Self {
        if error.is_connect() && error.is_timeout() {
            return Self::NoConnection;
        }
        let what = if error.is_connect() { "cannot be reached" } else { "broke the connection" };
        Self::Connection { what, source: Some(error.without_url()) }
    }

    fn status(status: u16, body: &str, headers: &HeaderMap, key: Option<&str>) -> Self {
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        let said = Said::read(&body, key);
        let asked = retry_after::read(headers, SystemClock.now());
        Self::Status { status, retry_after: asked.or(said.retry_after), said }
    }

    /// An error that came inside an answer.
    pub(crate) fn reported(body: &Value, key: Option<&str>) -> Self {
        let said = Said::read(body, key);
        match said.status {
            Some(status) => Self::Status { status, retry_after: said.retry_after, said },
            None => Self::Reported { message: said.message },
        }
    }

    pub(crate) fn garbage(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Garbage { what: what.into() }
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 409 | 429 | 500..=599),
            Self::Connection { .. } | Self::NoConnection | Self::CutOff | Self::Reported { .. } => true,
            Self::Time { limit, .. } => *limit == TimeLimit::FirstByte,
            Self::TooLarge { .. } | Self::Garbage { .. } | Self::Unsupported { .. } => false,
        }
    }

    /// Whether the request would do without its temperature.
    pub(crate) fn is_about_temperature(&self) -> bool {
        matches!(self, Self::Status { status: 400 | 422, said, .. } if said.topic == Topic::Temperature)
    }

    /// Whether the request would do without its JSON Schema, and what refuses it then.
    pub(crate) fn schema_refusal(&self) -> Option<SchemaRefusal> {
        match self {
            Self::Status { status: 400 | 422, said, .. } => match said.topic {
                Topic::Schema => Some(SchemaRefusal::OfAny),
                Topic::ThisSchema => Some(SchemaRefusal::OfThis),
                _ => None,
            },
            _ => None,
        }
    }

    /// How long the provider asked to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error that the caller sees.
    pub(crate) fn into_error(self, blame: &Blame<'_>, retry: Option<Retry>) -> Error {
        let Blame { provider, attempts, .. } = blame;
        let after = if *attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
        let error = match self {
            Self::Status { status, said, .. } => status_error(blame, status, &said, &after),
            Self::Connection { what, source } => {
                let error = Error::unavailable(format!("the model provider {provider} {what}{after}"));
                match source {
                    Some(source) => error.caused_by(source),
                    None => error,
                }
            }
            Self::NoConnection => Error::timeout(format!(
                "the model provider {provider} could not be connected to in time{after}"
            )),
            Self::Time { limit, after: waited } => time_error(provider, limit, waited, &after),
            Self::CutOff => Error::unavailable(format!(
                "the answer of the model provider {provider} was cut off before its end{after}"
            )),
            Self::TooLarge { limit } => {
                Error::too_large(format!("the answer of the model provider {provider} is too large"))
                    .with("limit in bytes", limit)
            }
            Self::Garbage { what } => Error::unexpected(format!(
                "the model provider {provider} answered what nobody can read: {what}"
            )),
            Self::Reported { message } => Error::unavailable(format!(
                "the model provider {provider} reported an error in its answer{after}{}",
                quoted(message.as_deref())
            )),
            Self::Unsupported { what } => {
                Error::unsupported(format!("the model provider {provider} cannot be asked for {what}"))
            }
        };
        match retry {
            Some(retry) => error.retry_as(retry),
            None => error,
        }
    }
}

fn status_error(blame: &Blame<'_>, status: u16, said: &Said, after: &str) -> Error {
    let provider = blame.provider;
    let quoted = quoted(said.message.as_deref());
    let error = match status {
        300..=399 => Error::misconfigured(format!(
            "the model provider {provider} answered {status}, a redirect, which is not followed: check its base URL"
        )),
        _ if matches!(status, 401 | 403) || said.topic == Topic::Key => {
            let advice = match blame.key_place {
                "" => String::new(),
                place => format!(": check {place}"),
            };
            Error::misconfigured(format!(
                "the model provider {provider} refused the key ({status}){after}{advice}"
            ))
        }
        402 => Error::misconfigured(format!("the model provider {provider} asks for payment (402){quoted}")),
        408 => Error::timeout(format!("the model provider {provider} answered 408 (request timeout){after}")),
        413 => Error::too_large(format!(
            "the model provider {provider} finds the request too large (413){quoted}"
        )),
        429 => {
            Error::rate_limited(format!("the model provider {provider} answered 429 (rate limited){after}"))
        }
        409 | 500..=599 => Error::unavailable(format!(
            "the model provider {provider} answered {status} ({}){after}",
            if status == 409 { "conflict" } else { "server error" }
        )),
        404 => Error::invalid(format!(
            "the model provider {provider} knows nothing there (404){quoted}; the model or the base URL is wrong"
        )),
        400..=499 => {
            Error::invalid(format!("the model provider {provider} refused the request ({status}){quoted}"))
        }
        _ => Error::unexpected(format!("the model provider {provider} answered {status}")),
    };
    error.with("status", status)
}

fn time_error(provider: &str, limit: TimeLimit, waited: Duration, after: &str) -> Error {
    let what = match limit {
        TimeLimit::FirstByte => "said nothing",
        TimeLimit::Idle => "fell silent in the middle of its answer",
        TimeLimit::Total => "did not complete its answer",
    };
    let seconds = waited.as_secs_f64();
    Error::timeout(format!("the model provider {provider} {what} within {seconds:.1} s{after}"))
}

fn quoted(message: Option<&str>) -> String {
    message.map(|text| format!(": {text}")).unwrap_or_default()
}
