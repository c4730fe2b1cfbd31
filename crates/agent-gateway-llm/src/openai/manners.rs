//! What a model's refusals taught: some take no temperature or no JSON Schema, and some count
//! their tokens under another name. Names of models do
//! not tell it where a deployment may be called anything.
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::{id::ModelName, ports::model::ModelRequest};

/// The most models that are remembered, and the most schemas that one of them refused.
const MAX_REMEMBERED: usize = 256;

/// What a refusal teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// It takes no temperature.
    NoTemperature,
    /// It takes `max_completion_tokens` in place of `max_tokens`.
    CompletionTokens,
    /// It takes no JSON Schema for its answer.
    NoSchema,
    /// It does not take the JSON Schema of this request.
    OtherSchema,
}

/// What refusals of a JSON Schema speak of.
const SCHEMA_WORDS: &[&str] = &[
    "response_format",
    "response format",
    "json_schema",
    "json schema",
    "structured output",
    "response_json_schema",
];
/// What tells that one schema is at fault, and not the mode.
const FAULT_WORDS: &[&str] =
    &["invalid schema", "invalid json schema", "invalid json_schema", "json_schema.schema"];
/// What tells that the model does not have the mode.
const LACK_WORDS: &[&str] = &[
    "support",
    "unavailable",
    "not available",
    "not permitted",
    "not allowed",
    "enabled only",
    "unknown",
    "unrecognized",
    "extra inputs",
];

impl Lesson {
    pub(super) fn in_message(message: &str) -> Option<Self> {
        let lower = message.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if has(SCHEMA_WORDS) {
            let lacks = has(LACK_WORDS) && !has(FAULT_WORDS);
            return Some(if lacks { Self::NoSchema } else { Self::OtherSchema });
        }
        if message.contains("max_completion_tokens") {
            Some(Self::CompletionTokens)
        } else if message.contains("temperature") {
            Some(Self::NoTemperature)
        } else {
            None
        }
    }
}

/// How a model wants to be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Manners {
    no_temperature: bool,
    completion_tokens: bool,
    no_schema: bool,
}

impl Manners {
    pub(super) fn without_temperature(self) -> bool {
        self.no_temperature
    }

    pub(super) fn counts_completion_tokens(self) -> bool {
        self.completion_tokens
    }

    pub(super) fn without_schema(self) -> bool {
        self.no_schema
    }

    /// Whether the lesson was news.
    pub(super) fn learn(&mut self, lesson: Lesson) -> bool {
        let known = match lesson {
            Lesson::NoTemperature => &mut self.no_temperature,
            Lesson::CompletionTokens => &mut self.completion_tokens,
            Lesson::NoSchema | Lesson::OtherSchema => &mut self.no_schema,
        };
        !std::mem::replace(known, true)
    }
}

/// The manners of one provider's models.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    manners: BTreeMap<ModelName, Manners>,
    /// Schemas that a model refused, by their hash.
    schemas: BTreeSet<(ModelName, u64)>,
}

impl Book {
    /// The manners of the model of `request`, and of its schema.
    pub(super) fn of(&self, request: &ModelRequest) -> Manners {
        let pages = self.lock();
        let mut manners = pages.manners.get(&request.model).copied().unwrap_or_default();
        manners.no_schema |=
            hash(request).is_some_and(|hash| pages.schemas.contains(&(request.model.clone(), hash)));
        manners
    }

    /// Whether the model takes no schema at all.
    pub(super) fn is_without_schema(&self, model: &ModelName) -> bool {
        self.lock().manners.get(model).is_some_and(|manners| manners.no_schema)
    }

    pub(super) fn write(&self, request: &ModelRequest, lesson: Lesson) {
        let Pages { manners, schemas } = &mut *self.lock();
        match (lesson, hash(request)) {
            (Lesson::OtherSchema, Some(hash)) if schemas.len() < MAX_REMEMBERED => {
                schemas.insert((request.model.clone(), hash));
            }
            (Lesson::OtherSchema, _) => {}
            _ if manners.len() < MAX_REMEMBERED || manners.contains_key(&request.model) => {
                manners.entry(request.model.clone()).or_default().learn(lesson);
            }
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(request: &ModelRequest) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    request.output_schema.as_ref()?.hash(&mut hasher);
    Some(hasher.finish())
}
