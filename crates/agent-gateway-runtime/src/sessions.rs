//! What protocols do with sessions, which are conversations.
use std::sync::Arc;

use agent_gateway_core::{
    Result,
    execution::{ExecutionQuery, ExecutionStatus},
    id::ConversationId,
    page::{MAX_PAGE, Page, PageRequest},
    ports::persistence::{Conversation, ConversationMessage, ConversationQuery},
    principal::{Principal, Scopes, Visibility},
};

use crate::{
    Executions,
    gateway::{Alive, Shared},
};

/// Reads and deletes conversations; turns are submitted to [`Executions`]. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Sessions {
    pub(crate) shared: Arc<Shared>,
    pub(crate) alive: Arc<Alive>,
}

/// Which conversations a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All that the caller may see.
    Visible,
    /// The caller's own; none for a caller without an identity.
    Own,
}

impl Sessions {
    /// The session, `None` when there is none that the caller may see.
    pub async fn get(&self, id: &ConversationId, who: &Principal) -> Result<Option<Conversation>> {
        self.shared.ports.persistence.conversations().get(id, &who.visibility()).await
    }

    /// Sessions, the last to grow first, behind the first `offset`.
    pub async fn list(
        &self,
        query: &ConversationQuery,
        who: &Principal,
        reach: Reach,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Conversation>> {
        let Some(visibility) = visibility(who, reach) else { return Ok(Vec::new()) };
        let conversations = self.shared.ports.persistence.conversations();
        let (mut skip, mut found) = (offset, Vec::new());
        let mut request = PageRequest::first(MAX_PAGE);
        loop {
            let Page { items, next, .. } = conversations.list(query, &visibility, request).await?;
            let passed = skip.min(items.len());
            skip -= passed;
            found.extend(items.into_iter().skip(passed).take(limit - found.len()));
            match next {
                Some(next) if found.len() < limit => request = PageRequest::first(MAX_PAGE).after(next),
                _ => return Ok(found),
            }
        }
    }

    /// Messages of a conversation of the caller's own behind the first `offset`, oldest first; `None` when there is none.
    pub async fn own_messages(
        &self,
        id: &ConversationId,
        who: &Principal,
        offset: u64,
        limit: u32,
    ) -> Result<Option<Vec<ConversationMessage>>> {
        let Some(own) = visibility(who, Reach::Own) else { return Ok(None) };
        let conversations = self.shared.ports.persistence.conversations();
        if conversations.get(id, &own).await?.is_none() {
            return Ok(None);
        }
        conversations.messages(id, offset, limit).await.map(Some)
    }

    /// Deletes a session with everything that was said, and stops its turn under way; answers whether there was one that the
    /// caller may see.
    pub async fn delete(&self, id: &ConversationId, who: &Principal) -> Result<bool> {
        if !self.shared.ports.persistence.conversations().delete(id, &who.visibility()).await? {
            return Ok(false);
        }
        let executions = Executions { shared: self.shared.clone(), alive: self.alive.clone() };
        for status in [ExecutionStatus::Running, ExecutionStatus::Queued, ExecutionStatus::Suspended] {
            let query = ExecutionQuery {
                session_id: Some(id.clone()),
                status: Some(status),
                ..ExecutionQuery::default()
            };
            // The turn may be another caller's, such as an administrator's.
            let everybody = Principal::system();
            for turn in executions.list(&query, &everybody, PageRequest::first(1)).await?.items {
                executions.cancel(&turn.id, &everybody).await?;
            }
        }
        Ok(true)
    }
}

fn visibility(who: &Principal, reach: Reach) -> Option<Visibility> {
    match reach {
        Reach::Visible => Some(who.visibility()),
        Reach::Own => {
            let owner = who.id()?.clone();
            Some(Principal::user(owner, who.method(), Scopes::default()).visibility())
        }
    }
}
