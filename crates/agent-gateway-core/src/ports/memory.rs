//! What agents remember from one run to the next.
use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Result, Timestamp,
    capability::MemoryCapability,
    id::{AgentId, MemoryId, UserId},
    page::{Page, PageRequest},
};

/// Whose memory: an agent's shared one, or that of an agent about one user. The two never mix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryScope {
    /// The agent.
    pub agent_id: AgentId,
    /// The user; `None` for the shared memory.
    pub user_id: Option<UserId>,
}

/// What kind of thing is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemoryKind {
    /// A fact.
    #[default]
    Semantic,
    /// Something that happened.
    Episodic,
    /// How something is done.
    Procedural,
}

/// How it came to be remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemorySource {
    /// Somebody said so.
    #[default]
    Manual,
    /// It was taken from a conversation.
    Extracted,
    /// It sums up older items.
    Compacted,
}

/// Something to remember.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMemory {
    /// The text.
    pub content: String,
    /// What kind of thing it is.
    pub kind: MemoryKind,
    /// How it came here.
    pub source: MemorySource,
    /// How much it matters, 0 to 1.
    pub importance: f64,
}

/// Something remembered.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Memory {
    /// Its id.
    pub id: MemoryId,
    /// What is remembered.
    pub what: NewMemory,
    /// How often it was found.
    pub access_count: u64,
    /// When it was last found.
    pub last_accessed_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Memory {
    /// An item made at `at`.
    #[must_use]
    pub fn new(id: MemoryId, what: NewMemory, at: Timestamp) -> Self {
        Self { id, what, access_count: 0, last_accessed_at: None, created_at: at }
    }
}

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryQuery {
    /// The words.
    pub text: String,
    /// Only this kind.
    pub kind: Option<MemoryKind>,
    /// How many at most.
    pub limit: u32,
}

/// A found item and how well it fits, higher is better.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored<T> {
    /// The item.
    pub item: T,
    /// How well it fits.
    pub score: f64,
}

/// Keeps memories.
#[async_trait]
pub trait MemoryBackend: fmt::Debug + Send + Sync + 'static {
    /// Plain facts. Does not block.
    fn capability(&self) -> MemoryCapability;

    /// Remembers an item and answers it with its id. Over `max_item` is `TooLarge`; an importance outside 0 to 1 is `Invalid`.
    async fn put(&self, scope: &MemoryScope, item: &NewMemory) -> Result<Memory>;

    /// The item, `None` when this scope has none of that id.
    async fn get(&self, scope: &MemoryScope, id: &MemoryId) -> Result<Option<Memory>>;

    /// Items of this scope that fit, best first, and counts the access of each. An empty text finds nothing.
    async fn search(&self, scope: &MemoryScope, query: &MemoryQuery) -> Result<Vec<Scored<Memory>>>;

    /// Items of this scope, newest first.
    async fn list(&self, scope: &MemoryScope, page: PageRequest) -> Result<Page<Memory>>;

    /// Forgets one item; answers whether this scope had it.
    async fn delete(&self, scope: &MemoryScope, id: &MemoryId) -> Result<bool>;

    /// Forgets everything of this scope and nothing else; answers how many items that were.
    async fn clear(&self, scope: &MemoryScope) -> Result<u64>;
}
