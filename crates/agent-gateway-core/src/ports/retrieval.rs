//! Finding passages that help to answer.
use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    Result,
    id::{AgentId, UserId},
};

/// What to look for, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetrievalQuery {
    /// The caller's message.
    pub text: String,
    /// The agent that asks.
    pub agent_id: AgentId,
    /// The caller, for retrievers that show each caller their own.
    pub user_id: Option<UserId>,
    /// The most characters wanted in all.
    pub max_chars: usize,
}

impl RetrievalQuery {
    /// A query without a caller.
    pub fn new(text: impl Into<String>, agent_id: AgentId, max_chars: usize) -> Self {
        Self { text: text.into(), agent_id, user_id: None, max_chars }
    }
}

/// A found passage.
#[derive(Clone, Debug, PartialEq)]
pub struct Passage {
    /// The text.
    pub text: Arc<str>,
    /// Where it stands, for a person.
    pub source: String,
    /// How well it fits, higher is better.
    pub score: f64,
}

/// Finds passages.
#[async_trait]
pub trait ContextRetriever: fmt::Debug + Send + Sync + 'static {
    /// Passages that fit, best first. Nothing found is an empty list. Dropping the future stops the search.
    async fn retrieve(&self, query: &RetrievalQuery) -> Result<Vec<Passage>>;
}
