//! The conversation that an execution is a turn of.
use agent_gateway_core::{
    Error, ErrorKind, JsonMap, Result,
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
    /// It does, but not what the caller attached last.
    Changed,
}

impl Scene {
    /// Sets the scene for a turn that a caller asks for.
    pub(crate) async fn open(
        ports: &Ports,
        thread: &Thread,
        execution: &Execution,
        caller: &Principal,
        most: u32,
    ) -> Result<Self, Refusal> {
        let input = execution.input.as_ref();
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
        let (metadata, stage) = attached(&conversation.metadata, input, stage)?;
        conversation.metadata = metadata;
        let history = match stage {
            Stage::New => Vec::new(),
            Stage::Stored | Stage::Changed => history(ports, &conversation.id, most).await?,
        };
        Ok(Self::Conversation(Box::new(Dialogue { conversation, history, stage })))
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
        let Self::Conversation(dialogue) = self else { return executions.create(execution).await };
        let Dialogue { conversation, stage, .. } = &**dialogue;
        match stage {
            Stage::Stored => executions.create(execution).await,
            Stage::Changed => {
                executions.create(execution).await?;
                let attached = conversations.set_metadata(&conversation.id, &conversation.metadata).await;
                // It was deleted in this moment; the turn is told to its caller all the same.
                attached
                    .or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
            }
            Stage::New => {
                let (opened, created) =
                    futures::join!(conversations.create(conversation), executions.create(execution));
                opened?;
                if created.is_err() {
                    let everything = Principal::system().visibility();
                    conversations.delete(&conversation.id, &everything).await?;
                }
                created
            }
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

/// What is attached to the session with the input of this turn.
fn attached(held: &JsonMap, input: Option<&JsonMap>, stage: Stage) -> Result<(JsonMap, Stage), Refusal> {
    let Some(input) = input else { return Ok((held.clone(), stage)) };
    let mut attached = held.clone();
    attached.extend(input.iter().map(|(name, value)| (name.clone(), value.clone())));
    if attached == *held {
        return Ok((attached, stage));
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
    Ok((attached, if stage == Stage::New { Stage::New } else { Stage::Changed }))
}
