//! `/v1/sessions`: the sessions that a caller may see.
use agent_gateway_core::{
    Timestamp,
    id::{AgentId, ConversationId},
    ports::persistence::{Conversation, ConversationQuery},
};
use agent_gateway_http::{
    Access, AnyLine, ApiError, Caller, Operation, PathId, Problems, QueryFields, Routes, Tag, json,
};
use agent_gateway_runtime::{Reach, Sessions};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
struct SessionInfo<'a> {
    /// Its id.
    session_id: &'a str,
    /// The agent.
    agent_id: &'a str,
    /// How many messages of it are the caller's.
    turn_count: u64,
    /// How many messages it holds.
    message_count: u64,
    /// When it began, in seconds since 1970.
    created_at: f64,
    /// When it last grew, in seconds since 1970.
    updated_at: f64,
}

/// A session that is gone.
#[derive(Debug, Serialize, ToSchema)]
struct DeletedInfo {
    /// Always true.
    deleted: bool,
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::Scope("sessions:read");
    let list_them = Operation::new("list_sessions", Tag::Sessions, "List sessions")
        .description("The last to grow first.")
        .query::<String>("agent_id", "With this agent")
        .query::<u32>("limit", "1 to 200, 50 by default")
        .returns_list::<SessionInfo<'_>>(200, "The sessions that the caller may see");
    let get_one = Operation::new("get_session", Tag::Sessions, "Read one session")
        .returns::<SessionInfo<'_>>(200, "The session")
        .fails(404, "`session_not_found`");
    let remove = Operation::new("delete_session", Tag::Sessions, "Delete a session and what was said in it")
        .description("A turn under way is cancelled.")
        .returns::<DeletedInfo>(200, "It is gone")
        .fails(404, "`session_not_found`");
    routes
        .get("/v1/sessions", read, list, list_them)
        .get("/v1/sessions/{session_id}", read, get, get_one)
        .delete("/v1/sessions/{session_id}", Access::Scope("sessions:manage"), delete, remove)
}

async fn list(
    State(sessions): State<Sessions>,
    Caller(caller): Caller,
    fields: QueryFields,
) -> Result<Response, ApiError> {
    let mut problems = Problems::default();
    let limit = fields.integer("limit", 50, 1..=200, &mut problems);
    problems.into_result()?;
    let Ok(query) = with_agent(&fields) else { return Ok(answer(&[])) };
    let limit = usize::try_from(limit).unwrap_or_default();
    Ok(answer(&sessions.list(&query, &caller, Reach::Visible, 0, limit).await?))
}

/// The filter of a list. An error: it names an agent that cannot exist.
pub(crate) fn with_agent(fields: &QueryFields) -> agent_gateway_core::Result<ConversationQuery> {
    Ok(ConversationQuery { agent_id: fields.text("agent_id").map(AgentId::new).transpose()? })
}

async fn get(
    State(sessions): State<Sessions>,
    Caller(caller): Caller,
    id: PathId<AnyLine>,
) -> Result<Response, ApiError> {
    let found = sessions.get(&known(&id)?, &caller).await?.ok_or_else(|| not_found(id.as_str()))?;
    Ok(json(StatusCode::OK, None, &info(&found)))
}

async fn delete(
    State(sessions): State<Sessions>,
    Caller(caller): Caller,
    id: PathId<AnyLine>,
) -> Result<Response, ApiError> {
    if sessions.delete(&known(&id)?, &caller).await? {
        return Ok(json(StatusCode::OK, None, &DeletedInfo { deleted: true }));
    }
    Err(not_found(id.as_str()))
}

fn answer(found: &[Conversation]) -> Response {
    let items: Vec<_> = found.iter().map(info).collect();
    json(StatusCode::OK, None, &items)
}

fn info(session: &Conversation) -> SessionInfo<'_> {
    SessionInfo {
        session_id: session.id.as_str(),
        agent_id: session.agent_id.as_str(),
        turn_count: session.turn_count,
        message_count: session.message_count,
        created_at: seconds(session.created_at),
        updated_at: seconds(session.updated_at),
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

fn known(id: &PathId<AnyLine>) -> Result<ConversationId, ApiError> {
    ConversationId::new(id.as_str()).map_err(|_| not_found(id.as_str()))
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found("session_not_found", "Session", id)
}
