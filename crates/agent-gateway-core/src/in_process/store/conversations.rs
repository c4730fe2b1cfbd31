//! Conversations and their messages.
use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
};

use async_trait::async_trait;

use super::{
    Table,
    cursor::{self, TimeKey},
};
use crate::{
    Error, JsonMap, Result, Timestamp,
    id::ConversationId,
    message::Message,
    page::{Page, PageRequest},
    ports::persistence::{Conversation, ConversationMessage, ConversationQuery, ConversationStore},
    principal::Visibility,
};

const LIST: &str = "conversations";

#[derive(Debug, Default)]
pub(super) struct Rows {
    stored: HashMap<ConversationId, Stored>,
    by_time: BTreeSet<TimeKey>,
}

#[derive(Debug)]
struct Stored {
    conversation: Conversation,
    messages: Vec<ConversationMessage>,
}

fn time_key(conversation: &Conversation) -> TimeKey {
    (conversation.updated_at, conversation.id.to_string())
}

impl Rows {
    fn known(&mut self, id: &ConversationId) -> Result<&mut Stored> {
        self.stored
            .get_mut(id)
            .ok_or_else(|| Error::not_found("no such conversation").with("conversation", id))
    }

    pub(super) fn messages(&self, id: &ConversationId) -> &[ConversationMessage] {
        self.stored.get(id).map_or(&[], |stored| &stored.messages)
    }

    /// Adds messages behind the last one, nothing where there is no such conversation. Answers how many there are now.
    pub(super) fn grow(&mut self, id: &ConversationId, messages: &[Message], at: Timestamp) -> u64 {
        let Some(Stored { conversation, messages: held }) = self.stored.get_mut(id) else { return 0 };
        let numbered = (conversation.message_count + 1..).zip(messages);
        held.extend(numbered.map(|(sequence, message)| ConversationMessage {
            sequence,
            message: message.clone(),
            created_at: at,
        }));
        let turns = messages.iter().filter(|message| matches!(message, Message::User { .. })).count();
        let before = time_key(conversation);
        conversation.message_count = held.len() as u64;
        conversation.turn_count += turns as u64;
        conversation.updated_at = at;
        let (count, after) = (conversation.message_count, time_key(conversation));
        self.by_time.remove(&before);
        self.by_time.insert(after);
        count
    }
}

#[async_trait]
impl ConversationStore for Table<Rows> {
    async fn create(&self, conversation: &Conversation) -> Result<()> {
        let mut rows = self.rows()?;
        if rows.stored.contains_key(&conversation.id) {
            return Err(
                Error::already_exists("the conversation id is taken").with("conversation", &conversation.id)
            );
        }
        if rows.stored.len() >= self.capacity
            && let Some((_, idle)) = rows.by_time.pop_first()
        {
            rows.stored.remove(idle.as_str());
        }
        rows.by_time.insert(time_key(conversation));
        let stored = Stored {
            conversation: Conversation { message_count: 0, turn_count: 0, ..conversation.clone() },
            messages: Vec::new(),
        };
        rows.stored.insert(conversation.id.clone(), stored);
        Ok(())
    }

    async fn get(&self, id: &ConversationId, who: &Visibility) -> Result<Option<Conversation>> {
        let rows = self.rows()?;
        let found = rows.stored.get(id).map(|stored| &stored.conversation);
        Ok(found.filter(|conversation| who.allows(conversation.user_id.as_ref())).cloned())
    }

    async fn list(
        &self,
        query: &ConversationQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Conversation>> {
        let rows = self.rows()?;
        let end = match &page.after {
            Some(after) => Bound::Excluded(cursor::read(LIST, after)?),
            None => Bound::Unbounded,
        };
        let last_grown_first = rows.by_time.range((Bound::Unbounded, end)).rev();
        let found: Vec<Conversation> = last_grown_first
            .filter_map(|(_, id)| rows.stored.get(id.as_str()))
            .map(|stored| &stored.conversation)
            .filter(|found| who.allows(found.user_id.as_ref()))
            .filter(|found| query.agent_id.as_ref().is_none_or(|agent| *agent == found.agent_id))
            .take(page.limit() as usize + 1)
            .cloned()
            .collect();
        Ok(Page::cut(found, page.limit(), |last| cursor::write(LIST, &time_key(last))))
    }

    async fn append(
        &self,
        id: &ConversationId,
        expected: u64,
        messages: &[Message],
        at: Timestamp,
    ) -> Result<u64> {
        let mut rows = self.rows()?;
        let Stored { conversation, messages: held } = &*rows.known(id)?;
        if conversation.message_count != expected {
            return Err(Error::conflict("the conversation has grown meanwhile")
                .with("conversation", id)
                .with("expected", expected)
                .with("messages", conversation.message_count));
        }
        self.check_length(held.len() + messages.len(), "messages")?;
        Ok(rows.grow(id, messages, at))
    }

    async fn tail(&self, id: &ConversationId, limit: u32) -> Result<Vec<ConversationMessage>> {
        let rows = self.rows()?;
        let held = rows.messages(id);
        Ok(held[held.len().saturating_sub(limit as usize)..].to_vec())
    }

    async fn messages(
        &self,
        id: &ConversationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<ConversationMessage>> {
        let rows = self.rows()?;
        let behind = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(rows.messages(id).iter().skip(behind).take(limit as usize).cloned().collect())
    }

    async fn set_metadata(&self, id: &ConversationId, metadata: &JsonMap) -> Result<()> {
        self.rows()?.known(id)?.conversation.metadata = metadata.clone();
        Ok(())
    }

    async fn delete(&self, id: &ConversationId, who: &Visibility) -> Result<bool> {
        let mut rows = self.rows()?;
        let Some(stored) = rows.stored.get(id) else { return Ok(false) };
        if !who.allows(stored.conversation.user_id.as_ref()) {
            return Ok(false);
        }
        let key = time_key(&stored.conversation);
        rows.by_time.remove(&key);
        rows.stored.remove(id);
        Ok(true)
    }
}
