//! Which answers a provider can hold to a JSON Schema, and which models refused that.
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::{capability::StructuredOutput, id::ModelName, ports::model::ModelRequest};
use serde_json::Value;

use crate::{Api, error::SchemaRefusal};

/// The most models and schemas that are remembered.
const MAX_REMEMBERED: usize = 256;

/// What the provider documents of the model, as far as the library can ask for it.
pub(crate) fn documented(api: Api, model: &ModelName) -> StructuredOutput {
    let name = model.as_str().strip_prefix("models/").unwrap_or(model.as_str());
    let begins = |old: &[&str]| old.iter().any(|old| name.starts_with(old));
    match api {
        // Those before Opus 4.1 and the 4.5 family have no such mode.
        Api::Anthropic
            if begins(&[
                "claude-2",
                "claude-3",
                "claude-instant",
                "claude-opus-4-0",
                "claude-opus-4-2025",
            ]) || begins(&["claude-sonnet-4-0", "claude-sonnet-4-2025"]) =>
        {
            StructuredOutput::None
        }
        Api::Anthropic => StructuredOutput::Always,
        Api::Gemini | Api::Vertex if name.starts_with("gemini-") && !begins(&["gemini-1"]) => {
            StructuredOutput::AnswerOnly
        }
        // Claude on Vertex wants it allowed first; the library does not ask the others for it.
        Api::Gemini | Api::Vertex | Api::Bedrock | Api::Ollama => StructuredOutput::None,
    }
}

/// Whether a schema can be sent without harm: it describes an object, and no object in it is left open, which these providers
/// would read as an empty one.
pub(crate) fn is_sendable(schema: &Value) -> bool {
    let mut left = vec![schema];
    while let Some(value) = left.pop() {
        let is_open = value["type"] == "object"
            && ["properties", "additionalProperties"].iter().all(|keyword| value.get(*keyword).is_none());
        if is_open {
            return false;
        }
        match value {
            Value::Object(map) => left.extend(map.values()),
            Value::Array(items) => left.extend(items),
            _ => {}
        }
    }
    schema["type"] == "object"
}

/// What models refused, for as long as the process lives.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeSet<(ModelName, Option<u64>)>>);

impl Refusals {
    pub(crate) fn has(&self, model: &ModelName) -> bool {
        self.lock().contains(&(model.clone(), None))
    }

    /// Whether the schema of this request was refused.
    pub(crate) fn has_this(&self, request: &ModelRequest) -> bool {
        self.lock().contains(&(request.model.clone(), hash(request)))
    }

    pub(crate) fn remember(&self, request: &ModelRequest, refusal: SchemaRefusal) {
        let schema = match refusal {
            SchemaRefusal::OfAny => None,
            SchemaRefusal::OfThis => hash(request),
        };
        let mut refusals = self.lock();
        if refusals.len() < MAX_REMEMBERED {
            refusals.insert((request.model.clone(), schema));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(ModelName, Option<u64>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(request: &ModelRequest) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    request.output_schema.as_ref()?.hash(&mut hasher);
    Some(hasher.finish())
}
