//! Messages as rows of `conversation_messages`. Role and text have columns of their own, as in the reference's table; what
//! else a message holds is its metadata.
use agent_gateway_core::ports::persistence::ConversationMessage;
use agent_gateway_core::{Error, Result, Timestamp, id::ExecutionId, message::Message};
use serde_json::{Value as Json, json};

use crate::{RowExt, Value};

/// The columns of a message that [`values`] gives, in their order.
pub(crate) const COLUMNS: &str = "role, content, metadata_json";

/// What was said in a run, for the conversation of that run, which the database knows.
#[derive(Debug)]
pub struct Said {
    /// The messages: the execution, the place of the message among them from 1, role, text, metadata, instant.
    pub messages: Vec<Vec<Value>>,
    /// What they add to the conversation: the execution, how many there are, how many of them are turns, instant.
    pub growth: Vec<Value>,
}

impl Said {
    /// The rows of what was said in this execution; `None` when that is nothing.
    pub fn new(id: &ExecutionId, said: &[Message], at: Timestamp) -> Result<Option<Self>> {
        if said.is_empty() {
            return Ok(None);
        }
        let key: Value = id.as_str().into();
        let row = |(place, message): (u64, &Message)| {
            let [role, content, metadata] = values(message)?;
            Ok(vec![key.clone(), Value::number(place)?, role, content, metadata, at.into()])
        };
        let messages = (1..).zip(said).map(row).collect::<Result<_>>()?;
        let growth =
            vec![key.clone(), Value::number(said.len() as u64)?, Value::number(turns(said))?, at.into()];
        Ok(Some(Self { messages, growth }))
    }
}

/// How many of the messages are the caller's.
pub(crate) fn turns(messages: &[Message]) -> u64 {
    messages.iter().filter(|message| matches!(message, Message::User { .. })).count() as u64
}

/// The role, the text and the rest.
pub(crate) fn values(message: &Message) -> Result<[Value; 3]> {
    let (role, content, metadata) = match message {
        Message::System { content } => ("system", content, json!({})),
        Message::User { content } => ("user", content, json!({})),
        Message::Assistant { content, tool_calls } if tool_calls.is_empty() => {
            ("assistant", content, json!({}))
        }
        Message::Assistant { content, tool_calls } => {
            ("assistant", content, json!({ "tool_calls": tool_calls }))
        }
        Message::Tool { call_id, name, content } => {
            ("tool", content, json!({ "call_id": call_id, "name": name }))
        }
    };
    Ok([role.into(), Value::Text(content.clone()), Value::json(&metadata)?])
}

/// The message that a row holds.
pub(crate) fn read<R: RowExt>(row: &R) -> Result<ConversationMessage> {
    let mut fields = row.map("metadata_json")?;
    fields.insert("role".to_owned(), Json::String(row.need_text("role")?));
    fields.insert("content".to_owned(), Json::String(row.text("content")?.unwrap_or_default()));
    let message = serde_json::from_value(Json::Object(fields))
        .map_err(|error| Error::unexpected("a stored message cannot be read").caused_by(error))?;
    Ok(ConversationMessage {
        sequence: row.count("sequence")?,
        message,
        created_at: row.need_time("created_at")?,
    })
}
