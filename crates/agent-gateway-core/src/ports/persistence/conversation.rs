use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    JsonMap, Result, Timestamp,
    id::{AgentId, ConversationId, UserId},
    message::Message,
    page::{Page, PageRequest},
    principal::Visibility,
};

/// A conversation with one agent, which is a chat session too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// The agent.
    pub agent_id: AgentId,
    /// The owner.
    pub user_id: Option<UserId>,
    /// A short name, where one was made.
    pub title: Option<String>,
    /// A summary, where one was made.
    pub summary: Option<String>,
    /// How many messages it holds; kept by the store.
    pub message_count: u64,
    /// How many of them are the caller's; kept by the store.
    pub turn_count: u64,
    /// What the caller attached to it.
    pub metadata: JsonMap,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last grew; kept by the store.
    pub updated_at: Timestamp,
}

impl Conversation {
    /// An empty conversation that begins at `at`.
    #[must_use]
    pub fn new(id: ConversationId, agent_id: AgentId, user_id: Option<UserId>, at: Timestamp) -> Self {
        Self {
            id,
            agent_id,
            user_id,
            title: None,
            summary: None,
            message_count: 0,
            turn_count: 0,
            metadata: JsonMap::new(),
            created_at: at,
            updated_at: at,
        }
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversationMessage {
    /// Its place, from 1, without gaps; given by the store.
    pub sequence: u64,
    /// What was said.
    pub message: Message,
    /// When.
    pub created_at: Timestamp,
}

/// Which conversations to list. Every filter that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationQuery {
    /// With this agent.
    pub agent_id: Option<AgentId>,
}

/// Conversations and their messages. Messages are only ever added.
#[async_trait]
pub trait ConversationStore: Send + Sync {
    /// Stores a new conversation; a taken id is `AlreadyExists`.
    async fn create(&self, conversation: &Conversation) -> Result<()>;

    /// The conversation, `None` when there is none or `who` may not see it.
    async fn get(&self, id: &ConversationId, who: &Visibility) -> Result<Option<Conversation>>;

    /// Conversations, the last to grow first.
    async fn list(
        &self,
        query: &ConversationQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Conversation>>;

    /// Adds messages behind the last one, all or none, and answers how many there are now.
    ///
    /// - `expected` is the count that the caller last saw; another count is `Conflict` and adds nothing.
    /// - `updated_at` becomes `at`.
    /// - An unknown id is `NotFound`.
    async fn append(
        &self,
        id: &ConversationId,
        expected: u64,
        messages: &[Message],
        at: Timestamp,
    ) -> Result<u64>;

    /// The last `limit` messages, oldest first. An unknown id has no messages.
    async fn tail(&self, id: &ConversationId, limit: u32) -> Result<Vec<ConversationMessage>>;

    /// Messages behind `after` (a sequence number, 0 for the beginning), oldest first.
    async fn messages(&self, id: &ConversationId, after: u64, limit: u32)
    -> Result<Vec<ConversationMessage>>;

    /// Replaces what the caller attached. An unknown id is `NotFound`.
    async fn set_metadata(&self, id: &ConversationId, metadata: &JsonMap) -> Result<()>;

    /// Removes the conversation and its messages; answers whether there was one that `who` may see.
    async fn delete(&self, id: &ConversationId, who: &Visibility) -> Result<bool>;
}
