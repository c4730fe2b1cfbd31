//! Conversations and their messages.
use agent_gateway_core::{
    JsonMap, Result, Timestamp,
    id::ConversationId,
    message::Message,
    page::{Page, PageRequest},
    ports::persistence::{
        Conversation, ConversationMessage, ConversationQuery, ConversationStore, PersistenceBackend,
    },
    principal::{Principal, Visibility},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Create(Conversation),
    Append { id: ConversationId, expected: u64, messages: Vec<Message>, at: Timestamp },
    SetMetadata { id: ConversationId, metadata: JsonMap },
    Delete { id: ConversationId },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn ConversationStore) -> Result<()> {
        match self {
            Self::Create(conversation) => to.create(conversation).await,
            Self::Append { id, expected, messages, at } => {
                to.append(id, *expected, messages, *at).await.map(drop)
            }
            Self::SetMetadata { id, metadata } => to.set_metadata(id, metadata).await,
            // Whether the caller may was decided when the line was written.
            Self::Delete { id } => to.delete(id, &Principal::system().visibility()).await.map(drop),
        }
    }
}

#[async_trait]
impl ConversationStore for Shared {
    async fn create(&self, conversation: &Conversation) -> Result<()> {
        self.write(Change::Create(conversation.clone())).await
    }

    async fn get(&self, id: &ConversationId, who: &Visibility) -> Result<Option<Conversation>> {
        self.begin().await?.memory().conversations().get(id, who).await
    }

    async fn list(
        &self,
        query: &ConversationQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Conversation>> {
        self.begin().await?.memory().conversations().list(query, who, page).await
    }

    async fn append(
        &self,
        id: &ConversationId,
        expected: u64,
        messages: &[Message],
        at: Timestamp,
    ) -> Result<u64> {
        let turn = self.begin().await?;
        let count = turn.memory().conversations().append(id, expected, messages, at).await?;
        turn.append(Change::Append { id: id.clone(), expected, messages: messages.to_vec(), at }).await?;
        Ok(count)
    }

    async fn tail(&self, id: &ConversationId, limit: u32) -> Result<Vec<ConversationMessage>> {
        self.begin().await?.memory().conversations().tail(id, limit).await
    }

    async fn messages(
        &self,
        id: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ConversationMessage>> {
        self.begin().await?.memory().conversations().messages(id, after, limit).await
    }

    async fn set_metadata(&self, id: &ConversationId, metadata: &JsonMap) -> Result<()> {
        self.write(Change::SetMetadata { id: id.clone(), metadata: metadata.clone() }).await
    }

    async fn delete(&self, id: &ConversationId, who: &Visibility) -> Result<bool> {
        let turn = self.begin().await?;
        let deleted = turn.memory().conversations().delete(id, who).await?;
        if deleted {
            turn.append(Change::Delete { id: id.clone() }).await?;
        }
        Ok(deleted)
    }
}
