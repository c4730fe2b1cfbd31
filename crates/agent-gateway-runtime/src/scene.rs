//! The conversation that an execution is a turn of.
use agent_gateway_core::{
    Error, JsonMap, Result,
    execution::{Execution, Outcome, Thread},
    id::ConversationId,
    message::Message,
    ports::persistence::Conversation,
    principal::Principal,
};
use agent_gateway_engine::{FieldError, window};
use serde_json::json;

use crate::{Ports, Refusal};

/// The most bytes of JSON that callers may attach to a session.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;

/// Where an execution stands.
#[derive(Debug)]
pub(crate) enum Scene {
    /// Alone.
    Alone,
    /// In a conversation.
    Conversation(Box<Dialogue>),
}

/// A conversation as it was when the turn began.
#[derive(Debug)]
pub(crate) struct Dialogue {
    /// With what its callers have attached so far.
    pub(crate) conversation: Conversation,
    /// What was said before, as much as the model is shown.
    pub(crate) history: Vec<Message>,
    /// Whether the store knows it.
    pub(crate) stage: Stage,
}

/// Whether the store knows a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It does not yet.
    New,
    /// It does.
    Stored,
}

impl Scene {
    /// Finds out where a turn would stand that a caller asks for. What was said before is not read yet: another turn may be
    /// saying it.
    pub(crate) async fn open(
        ports: &Ports,
        thread: &Thread,
        execution: &Execution,
        caller: &Principal,
    ) -> Result<Self, Refusal> {
        let (mut conversation, stage) = match thread {
            Thread::None => return Ok(Self::Alone),
            Thread::New => {
                let id = ConversationId::generate();
                let (agent, owner) = (execution.agent_id.clone(), execution.user_id.clone());
                (Conversation::new(id, agent, owner, execution.created_at), Stage::New)
            }
            Thread::Existing(id) => {
                let found = ports.persistence.conversations().get(id, &caller.visibility()).await?;
                let found = found.ok_or_else(|| Refusal::SessionNotFound(id.to_string()))?;
                if found.agent_id != execution.agent_id {
                    return Err(Refusal::SessionAgentMismatch(id.clone()));
                }
                (found, Stage::Stored)
            }
        };
        conversation.metadata = attached(&conversation.metadata, execution.input.as_ref())?;
        Ok(Self::Conversation(Box::new(Dialogue { conversation, history: Vec::new(), stage })))
    }

    /// Sets the scene again for an attempt that goes on; `None` when the conversation was deleted.
    pub(crate) async fn reopen(ports: &Ports, execution: &Execution, most: u32) -> Result<Option<Self>> {
        let Some(id) = &execution.session_id else { return Ok(Some(Self::Alone)) };
        let everything = Principal::system().visibility();
        let Some(conversation) = ports.persistence.conversations().get(id, &everything).await? else {
            return Ok(None);
        };
        let history = history(ports, id, most).await?;
        let dialogue = Dialogue { conversation, history, stage: Stage::Stored };
        Ok(Some(Self::Conversation(Box::new(dialogue))))
    }

    /// Stores the execution, and the conversation where that is new. `Conflict` when another turn of it is under way.
    pub(crate) async fn store(&self, ports: &Ports, execution: &Execution) -> Result<()> {
        let (executions, conversations) = (ports.persistence.executions(), ports.persistence.conversations());
        let conversation = match self {
            Self::Conversation(dialogue) if dialogue.stage == Stage::New => &dialogue.conversation,
            _ => return executions.create(execution).await,
        };
        let (opened, created) =
            futures::join!(conversations.create(conversation), executions.create(execution));
        opened?;
        if created.is_err() {
            let everything = Principal::system().visibility();
            conversations.delete(&conversation.id, &everything).await?;
        }
        created
    }

    /// Reads what was said before, now that the turn is this execution's and nobody else says anything. `None` when the
    /// conversation was deleted.
    pub(crate) async fn catch_up(
        &self,
        ports: &Ports,
        execution: &Execution,
        most: u32,
    ) -> Result<Option<Self>> {
        let Some(mut scene) = Self::reopen(ports, execution, most).await? else { return Ok(None) };
        if let Self::Conversation(dialogue) = &mut scene {
            let held = &dialogue.conversation.metadata;
            let metadata = merged(held, execution.input.as_ref());
            if metadata != *held {
                let conversations = ports.persistence.conversations();
                conversations.set_metadata(&dialogue.conversation.id, &metadata).await?;
                dialogue.conversation.metadata = metadata;
            }
        }
        Ok(Some(scene))
    }

    /// The same for the store, which needs no history.
    pub(crate) fn clone_without_history(&self) -> Self {
        match self {
            Self::Alone => Self::Alone,
            Self::Conversation(dialogue) => Self::Conversation(Box::new(Dialogue {
                conversation: dialogue.conversation.clone(),
                history: Vec::new(),
                stage: dialogue.stage,
            })),
        }
    }

    /// What the conversation gets of a turn that ended like this, which also says the number of the turn.
    pub(crate) fn conclude(&self, execution: &Execution, outcome: &mut Outcome) -> Vec<Message> {
        let Self::Conversation(dialogue) = self else { return Vec::new() };
        outcome.turn_count = Some(dialogue.conversation.turn_count + 1);
        let mut said = vec![Message::user(execution.message.as_str())];
        if !outcome.raw_text.is_empty() {
            said.push(Message::assistant(outcome.raw_text.as_str()));
        }
        said
    }
}

async fn history(ports: &Ports, id: &ConversationId, most: u32) -> Result<Vec<Message>> {
    let tail = ports.persistence.conversations().tail(id, most).await?;
    Ok(window(tail.into_iter().map(|stored| stored.message).collect(), most as usize))
}

fn merged(held: &JsonMap, input: Option<&JsonMap>) -> JsonMap {
    let mut merged = held.clone();
    merged.extend(input.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    merged
}

/// What is attached to the session with the input of this turn; too much of it is refused.
fn attached(held: &JsonMap, input: Option<&JsonMap>) -> Result<JsonMap, Refusal> {
    let attached = merged(held, input);
    if attached == *held {
        return Ok(attached);
    }
    let size = serde_json::to_string(&attached)
        .map_err(|error| Error::invalid("the input is no JSON").caused_by(error))?
        .len();
    if size > MAX_METADATA_BYTES {
        return Err(Refusal::FieldInvalid(FieldError {
            loc: vec![json!("body"), json!("input")],
            msg: format!(
                "The input of the session would have {size} bytes of JSON with this; it may have {MAX_METADATA_BYTES}"
            ),
            kind: "too_long".to_owned(),
        }));
    }
    Ok(attached)
}
