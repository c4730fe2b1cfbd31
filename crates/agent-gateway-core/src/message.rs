//! What is said between the caller, the model and the tools.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::JsonMap;

/// One message of a conversation with a model. Cloning is cheap: the texts are shared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub enum Message {
    /// The agent's instructions.
    System {
        /// The prompt.
        content: Arc<str>,
    },
    /// What the caller said.
    User {
        /// The text.
        content: Arc<str>,
    },
    /// What the model answered.
    Assistant {
        /// The text, possibly empty.
        content: Arc<str>,
        /// The calls that the model wants made.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<ToolCall>,
    },
    /// What a tool answered.
    Tool {
        /// The call that this answers.
        call_id: Arc<str>,
        /// The tool's name.
        name: Arc<str>,
        /// The result as the model sees it.
        content: Arc<str>,
    },
}

impl Message {
    /// A system prompt.
    pub fn system(content: impl Into<Arc<str>>) -> Self {
        Self::System { content: content.into() }
    }

    /// A caller's message.
    pub fn user(content: impl Into<Arc<str>>) -> Self {
        Self::User { content: content.into() }
    }

    /// A model's answer without tool calls.
    pub fn assistant(content: impl Into<Arc<str>>) -> Self {
        Self::Assistant { content: content.into(), tool_calls: Vec::new() }
    }
}

/// A call that the model asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's id of the call; made up by the client where the provider gives none.
    pub id: Arc<str>,
    /// The tool's name as the model wrote it.
    pub name: Arc<str>,
    /// The arguments.
    pub arguments: Arguments,
}

/// The arguments of a tool call. A model may write anything, so broken ones are a value of their own.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// A JSON object.
    Object(JsonMap),
    /// Anything else, as the model wrote it.
    Malformed(String),
}

impl Arguments {
    /// Reads what a model wrote; an empty text means no arguments.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.trim().is_empty() {
            return Self::Object(JsonMap::new());
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Self::Object(map),
            _ => Self::Malformed(text.to_owned()),
        }
    }

    /// As JSON: the object, or `{"_raw": "<text>"}` for a malformed one.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Object(map) => Value::Object(map.clone()),
            Self::Malformed(text) => serde_json::json!({ "_raw": text }),
        }
    }

    /// As the text that goes back to the model, always a JSON object: servers read it again.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.to_json().to_string()
    }
}

/// The key that marks broken arguments in the store, where they must come back as they were.
const MALFORMED: &str = "_malformed";

impl Serialize for Arguments {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(map) => map.serialize(serializer),
            Self::Malformed(text) => serializer.collect_map([(MALFORMED, text)]),
        }
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut map = JsonMap::deserialize(deserializer)?;
        Ok(match map.get_mut(MALFORMED).map(Value::take) {
            Some(Value::String(text)) if map.len() == 1 => Self::Malformed(text),
            Some(other) => {
                map.insert(MALFORMED.to_owned(), other);
                Self::Object(map)
            }
            None => Self::Object(map),
        })
    }
}

/// What one model call consumed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenUsage {
    /// Tokens read, the cached ones included.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of the tokens read, those that came from the provider's cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cached_input_tokens: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive_a_round_trip() {
        for text in ["", "{}", r#"{"a":1}"#, "[1]", "{broken", "\"x\""] {
            let arguments = Arguments::parse(text);
            let stored = serde_json::to_string(&arguments).unwrap();
            assert_eq!(serde_json::from_str::<Arguments>(&stored).unwrap(), arguments, "{text}");
        }
        assert_eq!(Arguments::parse("[1]").to_json(), serde_json::json!({ "_raw": "[1]" }));
    }
}
