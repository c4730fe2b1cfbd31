//! Conversations with agents, for the application that holds the gateway.
use std::sync::Arc;

use agent_gateway_core::{
    Error, JsonMap, Result,
    execution::{ExecutionRequest, Origin, Outcome, RunOptions, Thread},
    id::{AgentId, ConversationId, ExecutionId},
    ports::{
        model::Delivery,
        persistence::{Conversation, ConversationQuery},
    },
    principal::Principal,
};
use agent_gateway_runtime::{Completed, Events, Reach, Refusal, Streaming, Submitted};

use crate::Gateway;

/// A turn of a session that ended.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The session.
    pub session_id: ConversationId,
    /// The run.
    pub execution_id: ExecutionId,
    /// How it ended.
    pub outcome: Arc<Outcome>,
}

/// A turn of a session under way.
#[derive(Debug)]
pub struct TurnStream {
    /// The session.
    pub session_id: ConversationId,
    /// The run.
    pub execution_id: ExecutionId,
    /// What happens; dropping it cancels the turn.
    pub events: Events,
}

fn utterance(
    agent: &str,
    message: String,
    session: Option<&ConversationId>,
) -> Result<ExecutionRequest, Refusal> {
    let agent = AgentId::new(agent).map_err(|_| Refusal::AgentNotFound(agent.to_owned()))?;
    let thread = session.map_or(Thread::New, |id| Thread::Existing(id.clone()));
    Ok(ExecutionRequest::new(agent, message, Principal::system(), Origin::Library).thread(thread))
}

impl Turn {
    /// The text of the answer.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.outcome.raw_text
    }
}

impl Gateway {
    /// Says something to an agent and waits for its answer; a new session begins when `session` is `None`.
    ///
    /// ```no_run
    /// # async fn example(gateway: agent_gateway::Gateway) -> Result<(), agent_gateway::runtime::Refusal> {
    /// let first = gateway.chat("assistant", "Hello!", None).await?;
    /// let second = gateway.chat("assistant", "Follow up?", Some(&first.session_id)).await?;
    /// assert_eq!(first.session_id, second.session_id);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn chat(
        &self,
        agent: &str,
        message: impl Into<String>,
        session: Option<&ConversationId>,
    ) -> Result<Turn, Refusal> {
        self.chat_with(agent, message, session, JsonMap::new(), RunOptions::default()).await
    }

    /// Says something to an agent, with values for the session and settings of this turn.
    pub async fn chat_with(
        &self,
        agent: &str,
        message: impl Into<String>,
        session: Option<&ConversationId>,
        input: JsonMap,
        options: RunOptions,
    ) -> Result<Turn, Refusal> {
        let options = RunOptions { delivery: Delivery::Whole, ..options };
        let request = utterance(agent, message.into(), session)?.input(input).options(options);
        match self.runtime.executions().submit(request).await? {
            Submitted::Finished(Completed {
                execution_id, session_id: Some(session_id), outcome, ..
            }) => Ok(Turn { session_id, execution_id, outcome }),
            _ => Err(Error::unexpected("a turn of a session did not end as one").into()),
        }
    }

    /// Says something to an agent and tells what happens as it happens. Dropping the events cancels the turn.
    pub async fn chat_stream(
        &self,
        agent: &str,
        message: impl Into<String>,
        session: Option<&ConversationId>,
    ) -> Result<TurnStream, Refusal> {
        let request = utterance(agent, message.into(), session)?.delivery(Delivery::Incremental);
        match self.runtime.executions().submit(request).await? {
            Submitted::Streaming(Streaming {
                execution_id, session_id: Some(session_id), events, ..
            }) => Ok(TurnStream { session_id, execution_id, events }),
            _ => Err(Error::unexpected("a turn of a session is not streamed").into()),
        }
    }

    /// A session, `None` when there is none.
    pub async fn get_session(&self, id: &ConversationId) -> Result<Option<Conversation>> {
        self.runtime.sessions().get(id, &Principal::system()).await
    }

    /// The sessions of all users, the last to grow first, with one agent or with any.
    pub async fn list_sessions(&self, agent: Option<&AgentId>, limit: usize) -> Result<Vec<Conversation>> {
        let query = ConversationQuery { agent_id: agent.cloned() };
        self.runtime.sessions().list(&query, &Principal::system(), Reach::Visible, 0, limit).await
    }

    /// Deletes a session with everything that was said in it; answers whether there was one.
    pub async fn delete_session(&self, id: &ConversationId) -> Result<bool> {
        self.runtime.sessions().delete(id, &Principal::system()).await
    }
}
