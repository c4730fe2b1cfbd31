//! Failures of a call, by cause, and the public sentence that each becomes.
use std::{borrow::Cow, time::Duration};

use agent_gateway_core::{Error, Retry};
use serde_json::Value;

use super::manners::Lesson;

/// The most characters of a provider's own message that are passed on.
const MAX_MESSAGE_CHARS: usize = 300;
/// Keys shorter than this are placeholders; hiding them would riddle ordinary texts with holes.
const SHORTEST_SECRET: usize = 8;

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum Cause {
    /// The provider answered with an error status.
    Status { status: u16, message: Option<String>, retry_after: Option<Duration>, quota: Quota },
    /// No connection could be made, or it broke. The source holds no URL.
    Connection { what: &'static str, source: reqwest::Error },
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
}

/// Whom an error is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blame<'a> {
    pub(super) provider: &'a str,
    pub(super) key_place: &'a KeyPlace,
    pub(super) attempts: u32,
}

/// Where the operator sets a provider's key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// Nobody said.
    #[default]
    Unknown,
    /// It was set there.
    At(String),
    /// There is none; it would be set there.
    Nowhere(String),
}

/// Whether a refusal for its rate is one that waiting cannot mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quota {
    Left,
    UsedUp,
}

/// Which limit of time was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeLimit {
    Connect,
    FirstByte,
    Idle,
    Total,
}

impl Cause {
    /// An error that came inside an answer, with a status where it tells one.
    pub(super) fn reported(error: &Value, key: Option<&str>) -> Self {
        let (message, quota) = read_message(error, key);
        let code = &error["code"];
        let number = code.as_u64().or_else(|| code.as_str()?.parse().ok());
        let status = match error["type"].as_str().unwrap_or_default() {
            _ if number.is_some_and(|number| (400..600).contains(&number)) => number,
            _ if quota == Quota::UsedUp => Some(429),
            "rate_limit_error" | "rate_limit_exceeded" => Some(429),
            "invalid_request_error" => Some(400),
            _ => None,
        };
        match status.and_then(|status| u16::try_from(status).ok()) {
            Some(status) => Self::Status { status, message, retry_after: None, quota },
            None => Self::Reported { message },
        }
    }

    pub(super) fn garbage(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Garbage { what: what.into() }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Status { status, quota, .. } => {
                *quota == Quota::Left && matches!(status, 408 | 409 | 429 | 500..=599)
            }
            Self::Connection { .. } | Self::CutOff | Self::Reported { .. } => true,
            Self::Time { limit, .. } => matches!(limit, TimeLimit::Connect | TimeLimit::FirstByte),
            Self::TooLarge { .. } | Self::Garbage { .. } => false,
        }
    }

    /// What the request should have done without, as far as the refusal tells.
    pub(super) fn lesson(&self) -> Option<Lesson> {
        match self {
            Self::Status { status: 400 | 422, message: Some(message), .. } => Lesson::in_message(message),
            _ => None,
        }
    }

    /// How long the provider asked to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error of a call to `provider` that was attempted `attempts` times.
    pub(super) fn into_error(self, blame: &Blame<'_>, retry: Option<Retry>) -> Error {
        let Blame { provider, attempts, .. } = *blame;
        let after = if attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
        let error = match self {
            Self::Status { status, message, quota, .. } => {
                status_error(blame, status, message.as_deref(), quota, &after)
            }
            Self::Connection { what, source } => {
                Error::unavailable(format!("the model provider {provider} {what}{after}")).caused_by(source)
            }
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
        };
        match retry {
            Some(retry) => error.retry_as(retry),
            None => error,
        }
    }
}

fn status_error(blame: &Blame<'_>, status: u16, message: Option<&str>, quota: Quota, after: &str) -> Error {
    let provider = blame.provider;
    let quoted = quoted(message);
    let error = match status {
        300..=399 => Error::misconfigured(format!(
            "the model provider {provider} answered {status}, a redirect, which is not followed: check its base URL"
        )),
        _ if matches!(status, 401 | 403) || message.is_some_and(is_about_the_key) => {
            Error::misconfigured(key_sentence(blame, status, after))
        }
        402 => Error::misconfigured(format!("the model provider {provider} asks for payment (402){quoted}")),
        408 => Error::timeout(format!("the model provider {provider} answered 408 (request timeout){after}")),
        413 => Error::too_large(format!(
            "the model provider {provider} finds the request too large (413){quoted}"
        )),
        429 if quota == Quota::UsedUp => Error::rate_limited(format!(
            "the model provider {provider} answered 429: the account's quota is used up"
        ))
        .retry_as(Retry::Never),
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

/// One provider answers a wrong key as it does any wrong request.
fn is_about_the_key(message: &str) -> bool {
    message.starts_with("API key not valid")
}

fn key_sentence(blame: &Blame<'_>, status: u16, after: &str) -> String {
    let Blame { provider, key_place, .. } = blame;
    match key_place {
        KeyPlace::Unknown => format!("the model provider {provider} refused the key ({status}){after}"),
        KeyPlace::At(place) => {
            format!("the model provider {provider} refused the key ({status}){after}: check {place}")
        }
        KeyPlace::Nowhere(place) => {
            format!("the model provider {provider} wants a key ({status}){after}: set {place}")
        }
    }
}

fn time_error(provider: &str, limit: TimeLimit, waited: Duration, after: &str) -> Error {
    let what = match limit {
        TimeLimit::Connect => "could not be connected to",
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

/// What a provider says of an error: its message, fit to be shown, and whether an account's quota is used up.
pub(super) fn read_message(body: &Value, key: Option<&str>) -> (Option<String>, Quota) {
    // One provider wraps its error in a list; others leave out the envelope.
    let body = body.get(0).unwrap_or(body);
    let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
    let used_up = ["code", "type"].iter().any(|field| error[*field] == "insufficient_quota");
    let message = [&error["message"], error, &error["detail"]].into_iter().find_map(text_of);
    let quota = if used_up { Quota::UsedUp } else { Quota::Left };
    (message.map(|text| presentable(&text, key)), quota)
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        // Lists of complaints, as validation errors are: the first one.
        Value::Object(map) => map.get("msg").or_else(|| map.get("detail")).and_then(text_of),
        Value::Array(items) => items.first().and_then(text_of),
        _ => None,
    }
}

/// One short line without the key.
fn presentable(text: &str, key: Option<&str>) -> String {
    let hidden = match key {
        Some(key) if key.len() >= SHORTEST_SECRET => text.replace(key, "[redacted]"),
        _ => text.to_owned(),
    };
    let line = hidden.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.replace(char::is_control, "");
    match line.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    }
}
