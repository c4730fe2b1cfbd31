//! `/v1/executions`: read, list, the tree of delegations, cancel.
use agent_gateway_core::{
    execution::{Execution, ExecutionQuery, ExecutionStatus},
    id::{AgentId, ConversationId, ExecutionId},
    page::{MAX_PAGE, PageCursor, PageRequest},
};
use agent_gateway_http::{
    Access, ApiError, Caller, Operation, PathId, Problems, QueryFields, Routes, Tag, Word, event_id, json,
    last_event_id,
};
use agent_gateway_runtime::{CancelOutcome, Executions};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::stream::{EVENTS, watched};

mod wire;

use wire::{ExecutionInfo, WorkflowInfo};

/// How many runs of a tree are told with their steps.
const MAX_WITH_STEPS: usize = 100;
/// Where the next page starts.
pub(crate) const NEXT_CURSOR: &str = "x-next-cursor";

/// A request to cancel that was taken.
#[derive(Debug, Serialize, ToSchema)]
struct CancelInfo<'a> {
    /// The run.
    execution_id: &'a str,
    /// Always `cancel_requested`.
    status: &'static str,
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::Scope("executions:read");
    let list_them = Operation::new("list_executions", Tag::Executions, "List runs")
        .description("Newest first; with `root_execution_id` by depth and then by time. Every filter that is given counts.")
        .query::<String>("root_execution_id", "Of this tree of delegations")
        .query::<String>("session_id", "Of this chat session")
        .query::<String>("agent_id", "Of this agent")
        .query::<String>("status", "In this state")
        .query::<String>("since", "Accepted at this instant or later")
        .query::<String>("until", "Accepted at this instant or earlier")
        .query::<u32>("limit", "1 to 500, 50 by default")
        .query::<String>("cursor", "The value of `X-Next-Cursor` of the page before")
        .returns_list::<ExecutionInfo<'_>>(200, "The runs that the caller may see");
    let get_one = Operation::new("get_execution", Tag::Executions, "Read one run")
        .returns::<ExecutionInfo<'_>>(200, "The run")
        .fails(404, "`execution_not_found`");
    let tree = Operation::new("get_workflow", Tag::Executions, "Read the tree of delegations of a run")
        .description("Each run with what the steps of its workflows did.")
        .returns_list::<WorkflowInfo<'_>>(200, "The runs of the tree, by depth and then by time")
        .fails(404, "`execution_not_found`");
    let watch = Operation::new("stream_execution", Tag::Executions, "Watch a run")
        .description("Tells what happened so far and then what happens, until the run ends. Watching changes nothing about it.")
        .header("Last-Event-ID", "The last event that was seen, to get the rest")
        .query::<String>("last_event_id", "The same, for clients that cannot set headers")
        .streams(EVENTS)
        .empty(204, "The run has ended, and the last event was seen")
        .fails(400, "`invalid_event_id`, `event_id_ahead`, `event_id_mismatch`")
        .fails(404, "`execution_not_found`");
    let stop = Operation::new("cancel_execution", Tag::Executions, "Stop a run")
        .returns::<CancelInfo<'_>>(200, "It is being stopped")
        .fails(404, "`execution_not_found`")
        .fails(409, "`invalid_state`: it has ended already");
    routes
        .get("/v1/executions", read, list, list_them)
        .get("/v1/executions/{execution_id}", read, get, get_one)
        .get("/v1/executions/{execution_id}/workflow", read, workflow, tree)
        .get("/v1/executions/{execution_id}/events", read, events, watch)
        .post("/v1/executions/{execution_id}/cancel", Access::Scope("executions:cancel"), cancel, stop)
}

async fn get(
    State(executions): State<Executions>,
    Caller(caller): Caller,
    id: PathId<Word>,
) -> Result<Response, ApiError> {
    let id = known(&id)?;
    let execution = executions.get(&id, &caller).await?.ok_or_else(|| not_found(id.as_str()))?;
    Ok(json(StatusCode::OK, Some(&id), &ExecutionInfo::new(&execution)))
}

async fn list(
    State(executions): State<Executions>,
    Caller(caller): Caller,
    fields: QueryFields,
) -> Result<Response, ApiError> {
    let mut problems = Problems::default();
    let limit = fields.integer("limit", 50, 1..=i64::from(MAX_PAGE), &mut problems);
    let status = fields.parsed("status", "a status", |word| ExecutionStatus::parse(word).ok(), &mut problems);
    let instant = |name, problems: &mut Problems| {
        fields.parsed(name, "an instant such as 2026-01-02T03:04:05Z", |text| text.parse().ok(), problems)
    };
    let (since, until) = (instant("since", &mut problems), instant("until", &mut problems));
    problems.into_result()?;
    let Some(query) = filters(&fields) else { return Ok(answer(&[])) };
    let query = ExecutionQuery { status, since, until, ..query };
    let page = PageRequest::first(u32::try_from(limit).unwrap_or(MAX_PAGE));
    let page = match fields.text("cursor") {
        Some(cursor) => page.after(PageCursor(cursor.to_owned())),
        None => page,
    };
    if query.root_execution_id.is_some() {
        let mut tree = executions.tree(&query, &caller).await?;
        tree.truncate(page.limit() as usize);
        return Ok(answer(&tree));
    }
    let found = executions.list(&query, &caller, page).await?;
    let mut response = answer(&found.items);
    if let Some(cursor) = found.next.and_then(|next| HeaderValue::from_str(&next.0).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

/// The filters that name something. `None`: one of them names what cannot exist, so that nothing fits.
fn filters(fields: &QueryFields) -> Option<ExecutionQuery> {
    Some(ExecutionQuery {
        agent_id: fields.text("agent_id").map(AgentId::new).transpose().ok()?,
        session_id: fields.text("session_id").map(ConversationId::new).transpose().ok()?,
        root_execution_id: fields.text("root_execution_id").map(ExecutionId::new).transpose().ok()?,
        ..ExecutionQuery::default()
    })
}

async fn events(
    State(executions): State<Executions>,
    Caller(caller): Caller,
    id: PathId<Word>,
    fields: QueryFields,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = known(&id)?;
    let seen = match last_event_id(&headers)? {
        Some(seen) => Some(seen),
        None => event_id(fields.text("last_event_id"))?,
    };
    let found = executions.events(&id, &caller, seen.as_ref()).await?;
    Ok(watched(found.ok_or_else(|| not_found(id.as_str()))?))
}

async fn workflow(
    State(executions): State<Executions>,
    Caller(caller): Caller,
    id: PathId<Word>,
) -> Result<Response, ApiError> {
    let id = known(&id)?;
    let tree = executions.workflow(&id, &caller).await?.ok_or_else(|| not_found(id.as_str()))?;
    let mut items = Vec::with_capacity(tree.len());
    for (place, run) in tree.iter().enumerate() {
        let steps = if place < MAX_WITH_STEPS { Some(executions.workflow_steps(run).await?) } else { None };
        items.push(WorkflowInfo::new(run, steps));
    }
    Ok(json(StatusCode::OK, None, &items))
}

async fn cancel(
    State(executions): State<Executions>,
    Caller(caller): Caller,
    id: PathId<Word>,
) -> Result<Response, ApiError> {
    let id = known(&id)?;
    match executions.cancel(&id, &caller).await? {
        CancelOutcome::Requested => {
            let body = CancelInfo { execution_id: id.as_str(), status: "cancel_requested" };
            Ok(json(StatusCode::OK, Some(&id), &body))
        }
        CancelOutcome::AlreadyFinal(status) => {
            let sentence = format!("Execution '{id}' has ended already: it is {status}");
            Err(ApiError::new(StatusCode::CONFLICT, "invalid_state", sentence).of_execution(id))
        }
        CancelOutcome::NotFound => Err(not_found(id.as_str())),
    }
}

fn answer(executions: &[Execution]) -> Response {
    let items: Vec<_> = executions.iter().map(ExecutionInfo::new).collect();
    json(StatusCode::OK, None, &items)
}

fn known(id: &PathId<Word>) -> Result<ExecutionId, ApiError> {
    ExecutionId::new(id.as_str()).map_err(|_| not_found(id.as_str()))
}

fn not_found(id: &str) -> ApiError {
    ApiError::not_found("execution_not_found", "Execution", id)
}
