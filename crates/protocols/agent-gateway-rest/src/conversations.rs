//! `/v1/users/me/conversations`: what the caller talked about.
use agent_gateway_core::{
    id::ConversationId,
    message::Message,
    ports::persistence::{Conversation, ConversationMessage},
    principal::Principal,
};
use agent_gateway_http::{
    Access, AnyLine, ApiError, Caller, Operation, PathId, Problems, QueryFields, Routes, Tag, json,
};
use agent_gateway_runtime::{Reach, Sessions};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    sessions::with_agent,
    time::{self, Instant},
};

/// A conversation of the caller's own.
#[derive(Debug, Serialize, ToSchema)]
struct ConversationInfo<'a> {
    /// Its id, which is the session's.
    conversation_id: &'a str,
    /// The agent.
    agent_id: &'a str,
    /// A short name, where one was made.
    title: Option<&'a str>,
    /// A summary, where one was made.
    summary: Option<&'a str>,
    /// How many messages it holds.
    message_count: u64,
    /// When it began.
    #[schema(schema_with = time::schema)]
    created_at: Instant,
    /// When it last grew.
    #[schema(schema_with = time::schema)]
    updated_at: Instant,
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
struct MessageInfo<'a> {
    /// Its id.
    message_id: String,
    /// `user` or `assistant`; `system` and `tool` where something else wrote the conversation.
    role: &'static str,
    /// The text.
    content: &'a str,
    /// When it was said.
    #[schema(schema_with = time::schema)]
    created_at: Instant,
}

/// The largest offset; lists are for people, who do not turn so many pages.
const MAX_OFFSET: i64 = 100_000;

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::Scope("sessions:read");
    let list_them =
        Operation::new("list_conversations", Tag::Conversations, "List the caller's conversations")
            .description("The last to grow first.")
            .query::<String>("agent_id", "With this agent")
            .query::<u32>("limit", "1 to 200, 50 by default")
            .query::<u32>("offset", "How many to pass over, 0 by default")
            .returns_list::<ConversationInfo<'_>>(200, "The conversations")
            .fails(401, "`auth_required`: a caller without an identity has no conversations");
    let messages_of =
        Operation::new("list_messages", Tag::Conversations, "List the messages of a conversation")
            .description("The first one first.")
            .query::<u32>("limit", "1 to 500, 100 by default")
            .query::<u32>("offset", "How many to pass over, 0 by default")
            .returns_list::<MessageInfo<'_>>(200, "The messages")
            .fails(401, "`auth_required`: a caller without an identity has no conversations")
            .fails(404, "`not_found`");
    routes.get("/v1/users/me/conversations", read, list, list_them).get(
        "/v1/users/me/conversations/{conversation_id}/messages",
        read,
        messages,
        messages_of,
    )
}

async fn list(
    State(sessions): State<Sessions>,
    Caller(caller): Caller,
    fields: QueryFields,
) -> Result<Response, ApiError> {
    needs_identity(&caller)?;
    let mut problems = Problems::default();
    let limit = fields.integer("limit", 50, 1..=200, &mut problems);
    let offset = fields.integer("offset", 0, 0..=MAX_OFFSET, &mut problems);
    problems.into_result()?;
    let found = match with_agent(&fields) {
        Ok(query) => sessions.list(&query, &caller, Reach::Own, size(offset), size(limit)).await?,
        Err(_) => Vec::new(),
    };
    let items: Vec<_> = found.iter().map(info).collect();
    Ok(json(StatusCode::OK, None, &items))
}

async fn messages(
    State(sessions): State<Sessions>,
    Caller(caller): Caller,
    id: PathId<AnyLine>,
    fields: QueryFields,
) -> Result<Response, ApiError> {
    needs_identity(&caller)?;
    let mut problems = Problems::default();
    let limit = fields.integer("limit", 100, 1..=500, &mut problems);
    let offset = fields.integer("offset", 0, 0..=i64::MAX, &mut problems);
    problems.into_result()?;
    let not_found = || ApiError::not_found("not_found", "Conversation", id.as_str());
    let known = ConversationId::new(id.as_str()).map_err(|_| not_found())?;
    let (offset, limit) = (offset.unsigned_abs(), u32::try_from(limit).unwrap_or_default());
    let found = sessions.own_messages(&known, &caller, offset, limit).await?.ok_or_else(not_found)?;
    let items: Vec<_> = found.iter().map(|stored| message(&known, stored)).collect();
    Ok(json(StatusCode::OK, None, &items))
}

fn needs_identity(caller: &Principal) -> Result<(), ApiError> {
    if caller.id().is_some() { Ok(()) } else { Err(ApiError::auth_required()) }
}

fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

fn info(conversation: &Conversation) -> ConversationInfo<'_> {
    ConversationInfo {
        conversation_id: conversation.id.as_str(),
        agent_id: conversation.agent_id.as_str(),
        title: conversation.title.as_deref(),
        summary: conversation.summary.as_deref(),
        message_count: conversation.message_count,
        created_at: Instant(conversation.created_at),
        updated_at: Instant(conversation.updated_at),
    }
}

fn message<'a>(conversation: &ConversationId, stored: &'a ConversationMessage) -> MessageInfo<'a> {
    let (role, content) = match &stored.message {
        Message::System { content } => ("system", content),
        Message::User { content } => ("user", content),
        Message::Assistant { content, .. } => ("assistant", content),
        Message::Tool { content, .. } => ("tool", content),
    };
    MessageInfo {
        message_id: message_id(conversation, stored.sequence),
        role,
        content,
        created_at: Instant(stored.created_at),
    }
}

/// Sixteen hexadecimal digits that are always the same for a message.
fn message_id(conversation: &ConversationId, sequence: u64) -> String {
    // FNV-1a: the id only has to differ from its neighbours.
    let bytes = conversation.as_str().bytes().chain(sequence.to_be_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
