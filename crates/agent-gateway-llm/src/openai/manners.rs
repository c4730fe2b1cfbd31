//! What a model's refusals taught: some take no temperature, and some count their tokens under another name. Names of models do
//! not tell it where a deployment may be called anything.
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::id::ModelName;

/// The most models that are remembered.
const MAX_REMEMBERED: usize = 256;

/// What a refusal teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lesson {
    /// It takes no temperature.
    NoTemperature,
    /// It takes `max_completion_tokens` in place of `max_tokens`.
    CompletionTokens,
}

impl Lesson {
    pub(super) fn in_message(message: &str) -> Option<Self> {
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
}

impl Manners {
    pub(super) fn without_temperature(self) -> bool {
        self.no_temperature
    }

    pub(super) fn counts_completion_tokens(self) -> bool {
        self.completion_tokens
    }

    /// Whether the lesson was news.
    pub(super) fn learn(&mut self, lesson: Lesson) -> bool {
        let known = match lesson {
            Lesson::NoTemperature => &mut self.no_temperature,
            Lesson::CompletionTokens => &mut self.completion_tokens,
        };
        !std::mem::replace(known, true)
    }
}

/// The manners of one provider's models.
#[derive(Debug, Default)]
pub(super) struct Book(Mutex<BTreeMap<ModelName, Manners>>);

impl Book {
    pub(super) fn of(&self, model: &ModelName) -> Manners {
        self.lock().get(model).copied().unwrap_or_default()
    }

    pub(super) fn write(&self, model: &ModelName, manners: Manners) {
        let mut book = self.lock();
        if book.len() < MAX_REMEMBERED || book.contains_key(model) {
            book.insert(model.clone(), manners);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ModelName, Manners>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
