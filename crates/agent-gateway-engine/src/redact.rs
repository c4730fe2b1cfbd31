//! A user's secrets go to tools and nowhere else: what comes back from a tool is searched for them.
use agent_gateway_core::{
    Error, JsonMap,
    message::Arguments,
    redaction::Redaction,
    tool::{ToolContext, ToolOutput},
};
use serde_json::Value;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Keeps the secrets of a run out of what is told of its calls.
#[derive(Debug)]
pub(crate) struct Discretion(Redaction);

impl Discretion {
    /// About everything secret that a call has in its hands.
    pub(crate) fn of(context: &ToolContext) -> Self {
        Self(Redaction::of(context.user_secrets.values()))
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
        (arguments, self.output(result))
    }

    /// What a tool answered, as everybody else is told of it.
    pub(crate) fn output(&self, output: ToolOutput) -> ToolOutput {
        if self.0.is_empty() {
            return output;
        }
        match output {
            ToolOutput::Text(text) => ToolOutput::Text(self.text(&text)),
            ToolOutput::Json(value) => ToolOutput::Json(self.value(value)),
        }
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
        self.0.hide(text, MASK).into_owned()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use agent_gateway_core::{
        id::{AgentId, ExecutionId},
        secret::Secret,
    };
    use serde_json::json;

    use super::*;

    fn discretion(secrets: &[&str]) -> Discretion {
        let mut context = ToolContext::root(ExecutionId::generate(), AgentId::new("a").unwrap());
        let secrets = secrets.iter().enumerate();
        let secrets = secrets.map(|(number, text)| (number.to_string(), Secret::new(*text)));
        context.user_secrets = Arc::new(secrets.collect());
        Discretion::of(&context)
    }

    fn shown(secrets: &[&str], value: Value) -> Value {
        discretion(secrets).call(Arguments::parse("{}"), ToolOutput::Json(value)).1.to_json()
    }

    #[test]
    fn secrets_are_found_in_every_part_of_a_result() {
        let result = json!({"echo": ["key sk-live-1.", {"sk-live-1": 2}], "pin": 987_654, "free": 12});
        let expected = json!({"echo": ["key ***.", {"***": 2}], "pin": "***", "free": 12});
        assert_eq!(shown(&["sk-live-1", "987654"], result), expected);
        let free = json!({"a": "***", "b": 1.5});
        assert_eq!(shown(&[], free.clone()), free);
    }

    #[test]
    fn arguments_and_errors_are_searched_too() {
        let discretion = discretion(&["sk-live-1"]);
        for (given, kept) in [("{\"key\": \"sk-live-1\"}", "{\"key\": \"***\"}"), ("sk-live-1 {", "*** {")] {
            let (arguments, _) = discretion.call(Arguments::parse(given), ToolOutput::Text(String::new()));
            assert_eq!(arguments, Arguments::parse(kept));
        }
        let error = Error::invalid("bad key sk-live-1").with("key", "sk-live-1").caused_by("sk-live-1");
        let shown = format!("{:?}", discretion.error(error));
        assert_eq!(shown, "Invalid: bad key *** (key: ***); caused by ***");
    }
}
