//! What a provider sends: a whole answer, or one event of a stream. Both have the same shape, but for one field's name.
use std::{fmt, sync::Arc};

use agent_gateway_core::message::TokenUsage;
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk {
    pub(super) model: Option<Arc<str>>,
    pub(super) choices: Option<Vec<Choice>>,
    pub(super) usage: Option<Value>,
    pub(super) error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Choice {
    pub(super) index: Option<u64>,
    /// A piece of the answer, in a stream.
    pub(super) delta: Option<Delta>,
    /// The whole answer; some providers repeat it in every event of a stream.
    pub(super) message: Option<Delta>,
    pub(super) finish_reason: Option<Arc<str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Delta {
    pub(super) content: Option<Content>,
    pub(super) refusal: Option<Arc<str>>,
    pub(super) tool_calls: Option<Vec<CallDelta>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CallDelta {
    /// The provider's number of the call. Some leave it out, and some give all calls the same.
    pub(super) index: Option<u64>,
    pub(super) id: Option<Arc<str>>,
    pub(super) function: Option<FunctionDelta>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionDelta {
    pub(super) name: Option<Arc<str>>,
    pub(super) arguments: Option<ArgumentText>,
}

/// Text, or a list of parts of which the text ones count.
#[derive(Debug)]
pub(super) struct Content(pub(super) Arc<str>);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor).map(|text| Self(text.into()))
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_str<E>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_string<E>(self, text: String) -> Result<String, E> {
        Ok(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<String, A::Error> {
        let mut text = String::new();
        while let Some(part) = parts.next_element::<Part>()? {
            text.push_str(&part.text.unwrap_or_default());
        }
        Ok(text)
    }
}

/// A part of a content list. What is not text, such as thoughts, is left out.
#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: Option<String>,
}

/// A piece of a call's arguments. Some servers send the object itself, which is taken as its text.
#[derive(Debug)]
pub(super) struct ArgumentText(pub(super) Arc<str>);

impl<'de> Deserialize<'de> for ArgumentText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Arc<str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an object")
            }

            fn visit_str<E>(self, text: &str) -> Result<Arc<str>, E> {
                Ok(text.into())
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<Arc<str>, A::Error> {
                let object = Value::deserialize(MapAccessDeserializer::new(map))?;
                Ok(object.to_string().into())
            }
        }
        deserializer.deserialize_any(Text).map(Self)
    }
}

/// What was consumed. A number that is missing or no number counts as zero.
pub(super) fn usage(usage: &Value) -> TokenUsage {
    let number = |value: &Value| value.as_u64();
    let cached = number(&usage["prompt_tokens_details"]["cached_tokens"])
        .or_else(|| number(&usage["prompt_cache_hit_tokens"]))
        .unwrap_or_default();
    TokenUsage {
        input_tokens: number(&usage["prompt_tokens"]).unwrap_or_default(),
        output_tokens: number(&usage["completion_tokens"]).unwrap_or_default(),
        cached_input_tokens: cached,
    }
}
