//! A user's secrets go to tools and nowhere else: what comes back from a tool is searched for them.
use std::collections::BTreeSet;

use agent_gateway_core::{
    Error, JsonMap,
    message::Arguments,
    tool::{ToolContext, ToolOutput},
};
use serde_json::Value;

/// What stands where a secret stood.
const MASK: &str = "***";
/// Shorter values are not looked for: they would be found inside of ordinary words. In bytes.
const SHORTEST: usize = 4;

/// The texts that must not be seen, the longest first, so that no part of a longer one is left.
#[derive(Debug)]
pub(crate) struct Redaction(Vec<String>);

impl Redaction {
    /// Everything secret that a call has in its hands.
    pub(crate) fn of(context: &ToolContext) -> Self {
        let mut texts = BTreeSet::new();
        for secret in context.user_secrets.values() {
            let text = secret.expose();
            // A secret that is no text comes as JSON, and a tool may repeat a part of it.
            if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                gather(&value, &mut texts);
            }
            texts.insert(text.to_owned());
        }
        // Within a text that is JSON, a secret is written as JSON writes it.
        let written: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        texts.extend(written);
        let mut texts: Vec<String> = texts.into_iter().filter(|text| text.len() >= SHORTEST).collect();
        texts.sort_unstable_by_key(|text| std::cmp::Reverse(text.len()));
        Self(texts)
    }

    /// What is recorded of a call and shown to the model.
    pub(crate) fn call(&self, arguments: Arguments, result: ToolOutput) -> (Arguments, ToolOutput) {
        if self.0.is_empty() {
            return (arguments, result);
        }
        let arguments = match arguments {
            Arguments::Object(map) => Arguments::Object(self.map(map)),
            Arguments::Malformed(text) => Arguments::Malformed(self.text(&text)),
        };
        let result = match result {
            ToolOutput::Text(text) => ToolOutput::Text(self.text(&text)),
            ToolOutput::Json(value) => ToolOutput::Json(self.value(value)),
        };
        (arguments, result)
    }

    /// The error of a tool, which is logged and told to the model.
    pub(crate) fn error(&self, error: Error) -> Error {
        if self.0.is_empty() {
            return error;
        }
        let mut redacted = Error::new(error.kind(), self.text(error.message()))
            .during(error.operation())
            .retry_as(error.retry());
        for (key, value) in error.context() {
            redacted = redacted.with(key, self.text(value));
        }
        match std::error::Error::source(&error) {
            Some(cause) => redacted.caused_by(self.text(&cause.to_string())),
            None => redacted,
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            if text.contains(secret) {
                text = text.replace(secret, MASK);
            }
        }
        text
    }

    fn map(&self, map: JsonMap) -> JsonMap {
        map.into_iter().map(|(name, value)| (self.text(&name), self.value(value))).collect()
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(map) => Value::Object(self.map(map)),
            Value::Number(number) => {
                let text = number.to_string();
                let hidden = self.text(&text);
                if hidden == text { Value::Number(number) } else { Value::String(hidden) }
            }
            other => other,
        }
    }
}

/// The texts and numbers of a structured secret.
fn gather(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text.clone())),
        Value::Number(number) => drop(texts.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(map) => map.values().for_each(|item| gather(item, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// As it stands between the quotes of JSON.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json[1..json.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agent_gateway_core::{
        id::{AgentId, ExecutionId},
        secret::Secret,
    };
    use serde_json::json;

    use super::*;

    fn redaction(secrets: &[&str]) -> Redaction {
        let mut context = ToolContext::root(ExecutionId::generate(), AgentId::new("a").unwrap());
        let secrets = secrets.iter().enumerate();
        let secrets = secrets.map(|(number, text)| (number.to_string(), Secret::new(*text)));
        context.user_secrets = Arc::new(secrets.collect());
        Redaction::of(&context)
    }

    fn shown(secrets: &[&str], value: Value) -> Value {
        redaction(secrets).call(Arguments::parse("{}"), ToolOutput::Json(value)).1.to_json()
    }

    #[test]
    fn secrets_are_found_in_every_part_of_a_result() {
        let result = json!({"echo": ["key sk-live-1.", {"sk-live-1": 2}], "pin": 987_654, "free": 12});
        let expected = json!({"echo": ["key ***.", {"***": 2}], "pin": "***", "free": 12});
        assert_eq!(shown(&["sk-live-1", "987654"], result), expected);
        // The longer one first; short ones are left alone.
        assert_eq!(shown(&["abcd", "abcdef", "xyz"], json!("abcdef abcd xyz")), json!("*** *** xyz"));
    }

    #[test]
    fn a_structured_secret_is_hidden_in_parts_too() {
        let secret = json!({"user": "anna", "password": "hun\"ter2", "port": 70_071}).to_string();
        let said = json!("anna said hun\"ter2 at 70071; {\"p\": \"hun\\\"ter2\"}");
        assert_eq!(shown(&[&secret], said), json!("*** said *** at ***; {\"p\": \"***\"}"));
    }

    #[test]
    fn arguments_and_errors_are_searched_too() {
        let redaction = redaction(&["sk-live-1"]);
        for (given, kept) in [("{\"key\": \"sk-live-1\"}", "{\"key\": \"***\"}"), ("sk-live-1 {", "*** {")] {
            let (arguments, _) = redaction.call(Arguments::parse(given), ToolOutput::Text(String::new()));
            assert_eq!(arguments, Arguments::parse(kept));
        }
        let error = Error::invalid("bad key sk-live-1").with("key", "sk-live-1").caused_by("sk-live-1");
        let shown = format!("{:?}", redaction.error(error));
        assert_eq!(shown, "Invalid: bad key *** (key: ***); caused by ***");
    }

    #[test]
    fn without_secrets_nothing_is_touched() {
        assert_eq!(shown(&[], json!({"a": "***", "b": 1.50})), json!({"a": "***", "b": 1.50}));
    }
}
