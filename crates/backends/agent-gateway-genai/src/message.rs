//! What a provider says of an error.
use std::time::Duration;

use serde_json::Value;

/// The most characters of a provider's own message that are passed on.
const MAX_MESSAGE_CHARS: usize = 300;
/// Keys shorter than this are placeholders; hiding them would riddle ordinary texts with holes.
const SHORTEST_SECRET: usize = 8;

/// What the body of an error says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its message, fit to be shown.
    pub(crate) message: Option<String>,
    /// What it is about, where that is more than its status.
    pub(crate) topic: Topic,
    /// The status that it stands for, where it tells one.
    pub(crate) status: Option<u16>,
    /// How long to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// What an error is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Topic {
    #[default]
    Unknown,
    /// The key is not accepted, though the status is that of an ordinary bad request.
    Key,
    /// The model takes no temperature.
    Temperature,
    /// The model takes no JSON Schema for its answer.
    Schema,
    /// The model does not take this JSON Schema.
    ThisSchema,
}

/// What refusals of a JSON Schema speak of.
const SCHEMA_WORDS: &[&str] = &[
    "output_config",
    "output_format",
    "output format",
    "structured output",
    "responsejsonschema",
    "response_json_schema",
    "response_schema",
    "response mime type",
    "specified schema",
];
/// What tells that one schema is at fault, and not the mode.
const FAULT_WORDS: &[&str] = &["format.schema", "specified schema", "invalid schema"];
/// What tells that the model does not have the mode.
const LACK_WORDS: &[&str] =
    &["support", "unknown name", "extra inputs", "not permitted", "not enabled", "not available"];

/// What the text of a refusal is about.
fn topic_of(text: &str) -> Topic {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    match (has(SCHEMA_WORDS), has(LACK_WORDS) && !has(FAULT_WORDS)) {
        (true, true) => Topic::Schema,
        (true, false) => Topic::ThisSchema,
        (false, _) if text.contains("temperature") => Topic::Temperature,
        (false, _) => Topic::Unknown,
    }
}

impl Said {
    /// Reads the body of an error, or the error inside an answer. The key is not passed on.
    pub(crate) fn read(body: &Value, key: Option<&str>) -> Self {
        // One provider wraps its error in a list; others leave out the envelope.
        let body = body.get(0).unwrap_or(body);
        let error = body.get("error").filter(|error| !error.is_null()).unwrap_or(body);
        let text = [&error["message"], &error["Message"], error].into_iter().find_map(text_of);
        let details = || error["details"].as_array().into_iter().flatten();
        let invalid_key = details().any(|detail| detail["reason"] == "API_KEY_INVALID")
            || text.as_deref().is_some_and(|text| text.starts_with("API key not valid"));
        let topic = match text.as_deref() {
            _ if invalid_key => Topic::Key,
            Some(text) => topic_of(text),
            None => Topic::Unknown,
        };
        Self {
            message: text.map(|text| presentable(&text, key)),
            topic,
            status: status_of(error),
            retry_after: details().find_map(|detail| seconds(detail["retryDelay"].as_str()?)),
        }
    }
}

/// The status that an error inside an answer stands for.
fn status_of(error: &Value) -> Option<u16> {
    let number = error["code"].as_u64().filter(|number| (400..600).contains(number));
    let named = || match error["type"].as_str()? {
        "invalid_request_error" => Some(400),
        "authentication_error" => Some(401),
        "billing_error" => Some(402),
        "permission_error" => Some(403),
        "not_found_error" => Some(404),
        "request_too_large" => Some(413),
        "rate_limit_error" => Some(429),
        "api_error" => Some(500),
        "timeout_error" => Some(504),
        "overloaded_error" => Some(529),
        _ => None,
    };
    u16::try_from(number.or_else(named)?).ok()
}

/// A duration as `34s` or `1.5s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

fn text_of(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(body: &Value) -> Said {
        Said::read(body, Some("sk-secret-key"))
    }

    #[test]
    fn every_providers_error_is_read() {
        let anthropic =
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
        assert_eq!(
            said(&anthropic),
            Said { message: Some("Overloaded".into()), status: Some(529), ..Said::default() }
        );
        let gemini = json!([{"error": {"code": 429, "message": "Quota\n exceeded", "status": "RESOURCE_EXHAUSTED",
            "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}]}}]);
        let expected = Said {
            message: Some("Quota exceeded".into()),
            status: Some(429),
            retry_after: Some(Duration::from_millis(34_500)),
            ..Said::default()
        };
        assert_eq!(said(&gemini), expected);
        assert_eq!(said(&json!({"Message": "denied"})).message.as_deref(), Some("denied"));
        assert_eq!(said(&json!({"message": "slow down"})).message.as_deref(), Some("slow down"));
        assert_eq!(said(&json!({"error": "no such model"})).message.as_deref(), Some("no such model"));
        assert_eq!(said(&json!({"unrelated": 1})), Said::default());
    }

    #[test]
    fn topics_that_the_status_hides_are_told() {
        let message = "API key not valid. Please pass a valid API key.";
        let key = json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT",
            "details": [{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}]}});
        assert_eq!(said(&key).topic, Topic::Key);
        let temperature = json!({"error": {"message": "`temperature` is deprecated for this model."}});
        assert_eq!(said(&temperature).topic, Topic::Temperature);
    }

    #[test]
    fn messages_are_short_lines_without_the_key() {
        let message = |text: &str| said(&json!({"error": {"message": text}})).message.unwrap_or_default();
        assert_eq!(message("no\n model \u{7}x sk-secret-key"), "no model x [redacted]");
        assert_eq!(message(&"ü".repeat(1000)).chars().count(), 300);
    }
}
