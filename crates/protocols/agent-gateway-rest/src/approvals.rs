//! `/v1/approvals`: tool calls that wait for a person.
use agent_gateway_core::{
    JsonMap,
    approval::{Approval, ApprovalQuery, ApprovalStatus, MAX_REASON_CHARS, Verdict},
    id::{AgentId, ApprovalId, ExecutionId},
    page::{MAX_PAGE, PageCursor, PageRequest},
    principal::Principal,
};
use agent_gateway_http::{
    Access, ApiError, Caller, Fields, Operation, OptionalJsonObject, PathId, Problem, Problems, QueryFields,
    Routes, Tag, Word, json,
};
use agent_gateway_runtime::{Approvals, Refusal};
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    executions::NEXT_CURSOR,
    time::{self, Instant},
};

/// A tool call that waits, or waited, for a person.
#[derive(Debug, Serialize, ToSchema)]
struct ApprovalInfo<'a> {
    /// The approval.
    approval_id: &'a str,
    /// The run that rests until it is decided.
    execution_id: &'a str,
    /// The first run of its tree.
    root_execution_id: &'a str,
    /// The agent that wants the call.
    agent_id: &'a str,
    /// The owner of the run.
    user_id: Option<&'a str>,
    /// The call's id within the run.
    call_id: &'a str,
    /// The tool.
    tool_name: &'a str,
    /// The arguments that the model wants to call it with.
    #[schema(value_type = Object)]
    arguments: &'a JsonMap,
    /// Why a person is asked, where a hook says so.
    question: Option<&'a str>,
    /// `pending`, `approved`, `denied`, `expired` or `withdrawn`.
    status: &'static str,
    /// Who decided.
    decided_by: Option<&'a str>,
    /// When.
    #[schema(schema_with = time::schema)]
    decided_at: Option<Instant>,
    /// Why, in their words.
    reason: Option<&'a str>,
    /// The arguments that they put in place of the model's.
    #[schema(value_type = Option<Object>)]
    edited_arguments: Option<&'a JsonMap>,
    /// When it was asked.
    #[schema(schema_with = time::schema)]
    created_at: Option<Instant>,
    /// From when on nobody can decide any more.
    #[schema(schema_with = time::schema)]
    expires_at: Option<Instant>,
}

/// A decision.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
struct DecisionRequest {
    /// Why; the model is told of it when the call is denied.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

/// A decision to make the call with other arguments.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only its schema is read")]
struct EditRequest {
    /// The arguments, all of them.
    #[schema(value_type = Object)]
    arguments: JsonMap,
    /// Why.
    #[schema(max_length = 2000)]
    reason: Option<String>,
}

impl<'a> ApprovalInfo<'a> {
    fn new(approval: &'a Approval) -> Self {
        let decision = approval.decision.as_ref();
        Self {
            approval_id: approval.id.as_str(),
            execution_id: approval.execution_id.as_str(),
            root_execution_id: approval.root_execution_id.as_str(),
            agent_id: approval.agent_id.as_str(),
            user_id: approval.user_id.as_ref().map(AsRef::as_ref),
            call_id: &approval.call_id,
            tool_name: &approval.tool,
            arguments: &approval.arguments,
            question: approval.question.as_deref(),
            status: approval.status.as_str(),
            decided_by: decision.and_then(|decision| decision.by.as_ref()).map(AsRef::as_ref),
            decided_at: decision.map(|decision| Instant(decision.at)),
            reason: decision.and_then(|decision| decision.reason.as_deref()),
            edited_arguments: decision.and_then(|decision| match &decision.verdict {
                Verdict::Edit { arguments } => Some(arguments),
                _ => None,
            }),
            created_at: Some(Instant(approval.created_at)),
            expires_at: Some(Instant(approval.expires_at)),
        }
    }
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::ReadApprovals;
    let list_them =
        Operation::new("list_approvals", Tag::Approvals, "List tool calls that wait for a person")
            .description(
                "Newest first: those of the caller's runs, and all for callers that hold `approvals:decide`. \
             Every filter that is given counts.",
            )
            .query::<String>("status", "In this state; `pending` are those that wait")
            .query::<String>("agent_id", "Of this agent")
            .query::<String>("execution_id", "Of this run")
            .query::<String>("root_execution_id", "Of this tree of runs")
            .query::<u32>("limit", "1 to 500, 50 by default")
            .query::<String>("cursor", "The value of `X-Next-Cursor` of the page before")
            .returns_list::<ApprovalInfo<'_>>(200, "The approvals that the caller may see");
    let get_one = Operation::new("get_approval", Tag::Approvals, "Read one approval")
        .returns::<ApprovalInfo<'_>>(200, "The approval")
        .fails(404, "`approval_not_found`");
    let decision = |name, summary| {
        Operation::new(name, Tag::Approvals, summary)
            .description(
                "The first decision counts; the run goes on by itself when nothing is left that it waits for.",
            )
            .returns::<ApprovalInfo<'_>>(200, "It is decided")
            .fails(404, "`approval_not_found`")
            .fails(409, "`approval_settled`, `approval_expired`")
    };
    let yes = decision("approve_call", "Let a tool call be made").body::<DecisionRequest>();
    let no = decision("deny_call", "Keep a tool call from being made").body::<DecisionRequest>();
    let other = decision("edit_call", "Let a tool call be made with other arguments")
        .body::<EditRequest>()
        .fails(422, "`validation_failed`, `input_validation_failed`: the arguments do not fit the tool");
    let rule = Access::Decide;
    routes
        .get("/v1/approvals", read, list, list_them)
        .get("/v1/approvals/{approval_id}", read, get, get_one)
        .post("/v1/approvals/{approval_id}/approve", rule, approve, yes)
        .post("/v1/approvals/{approval_id}/deny", rule, deny, no)
        .post("/v1/approvals/{approval_id}/edit", rule, edit, other)
}

async fn list(
    State(approvals): State<Approvals>,
    Caller(caller): Caller,
    fields: QueryFields,
) -> Result<Response, ApiError> {
    let mut problems = Problems::default();
    let limit = fields.integer("limit", 50, 1..=i64::from(MAX_PAGE), &mut problems);
    let status = fields.parsed(
        "status",
        "pending, approved, denied, expired or withdrawn",
        |word| ApprovalStatus::parse(word).ok(),
        &mut problems,
    );
    problems.into_result()?;
    let page = PageRequest::first(u32::try_from(limit).unwrap_or(MAX_PAGE));
    let page = match fields.text("cursor") {
        Some(cursor) => page.after(PageCursor(cursor.to_owned())),
        None => page,
    };
    let Some(query) = filters(&fields) else { return Ok(json(StatusCode::OK, None, &[(); 0])) };
    let found = approvals.list(&ApprovalQuery { status, ..query }, &caller, page).await?;
    let items: Vec<_> = found.items.iter().map(ApprovalInfo::new).collect();
    let mut response = json(StatusCode::OK, None, &items);
    if let Some(cursor) = found.next.and_then(|next| HeaderValue::from_str(&next.0).ok()) {
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

/// The filters that name something. `None`: one of them names what cannot exist, so that nothing fits.
fn filters(fields: &QueryFields) -> Option<ApprovalQuery> {
    Some(ApprovalQuery {
        agent_id: fields.text("agent_id").map(AgentId::new).transpose().ok()?,
        execution_id: fields.text("execution_id").map(ExecutionId::new).transpose().ok()?,
        root_execution_id: fields.text("root_execution_id").map(ExecutionId::new).transpose().ok()?,
        ..ApprovalQuery::default()
    })
}

async fn get(
    State(approvals): State<Approvals>,
    Caller(caller): Caller,
    id: PathId<Word>,
) -> Result<Response, ApiError> {
    let id = known(&id)?;
    let found = approvals.get(&id, &caller).await?;
    let found = found.ok_or_else(|| Refusal::ApprovalNotFound(id.to_string()))?;
    Ok(json(StatusCode::OK, None, &ApprovalInfo::new(&found)))
}

async fn approve(
    State(approvals): State<Approvals>,
    Caller(caller): Caller,
    id: PathId<Word>,
    OptionalJsonObject(body): OptionalJsonObject,
) -> Result<Response, ApiError> {
    let reason = reason(&mut Fields::new(body, &["body"]))?;
    decide(&approvals, &caller, &id, (Verdict::Approve, reason)).await
}

async fn deny(
    State(approvals): State<Approvals>,
    Caller(caller): Caller,
    id: PathId<Word>,
    OptionalJsonObject(body): OptionalJsonObject,
) -> Result<Response, ApiError> {
    let reason = reason(&mut Fields::new(body, &["body"]))?;
    decide(&approvals, &caller, &id, (Verdict::Deny, reason)).await
}

async fn edit(
    State(approvals): State<Approvals>,
    Caller(caller): Caller,
    id: PathId<Word>,
    OptionalJsonObject(body): OptionalJsonObject,
) -> Result<Response, ApiError> {
    let mut fields = Fields::new(body, &["body"]);
    let mut problems = Problems::default();
    let arguments = fields.optional_object("arguments", &mut problems);
    problems.into_result()?;
    let Some(arguments) = arguments else {
        let loc = vec!["body".into(), "arguments".into()];
        return Err(ApiError::validation(vec![Problem::new("missing", loc, "Field required")]));
    };
    let reason = reason(&mut fields)?;
    decide(&approvals, &caller, &id, (Verdict::Edit { arguments }, reason)).await
}

async fn decide(
    approvals: &Approvals,
    caller: &Principal,
    id: &PathId<Word>,
    (verdict, reason): (Verdict, Option<String>),
) -> Result<Response, ApiError> {
    let decided = approvals.decide(&known(id)?, verdict, reason, caller).await?;
    Ok(json(StatusCode::OK, None, &ApprovalInfo::new(&decided)))
}

fn reason(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    let mut problems = Problems::default();
    let reason = fields.optional_text("reason", MAX_REASON_CHARS, &mut problems);
    problems.into_result()?;
    Ok(reason)
}

fn known(id: &PathId<Word>) -> Result<ApprovalId, ApiError> {
    ApprovalId::new(id.as_str()).map_err(|_| Refusal::ApprovalNotFound(id.as_str().to_owned()).into())
}
