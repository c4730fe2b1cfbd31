//! What a run answered and consumed, and the sums over many runs.
use agent_gateway_core::{
    Timestamp,
    execution::{Outcome, Usage},
    ports::persistence::{CostGroup, CostRow, CostWindow},
};
use agent_gateway_http::{Access, ApiError, Caller, Operation, Problems, QueryFields, Routes, Tag, json};
use agent_gateway_runtime::Executions;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What a run answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResultInfo<'a> {
    /// The structured answer, where a schema was asked for and met.
    output: Option<&'a Value>,
    /// The text.
    raw_text: &'a str,
    /// How the answer misses its schema.
    validation_errors: Option<&'a [String]>,
}

/// What a run consumed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageInfo<'a> {
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// Of the tokens read, those from the provider's cache; absent where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cached_input_tokens: Option<u64>,
    /// Cost in USD.
    cost_usd: f64,
    /// Present and true when a model without a known price took part, so that the cost is too low.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    cost_incomplete: bool,
    /// Model calls.
    llm_calls: u32,
    /// Tool calls.
    tool_calls: u32,
    /// The models that answered.
    models_used: &'a [String],
    /// Milliseconds from the start to the end.
    duration_ms: u64,
}

impl<'a> UsageInfo<'a> {
    pub(crate) fn new(usage: &'a Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cached_input_tokens: Some(usage.cached_input_tokens).filter(|tokens| *tokens > 0),
            cost_usd: (usage.cost_usd * 1e6).round() / 1e6,
            cost_incomplete: usage.cost_incomplete,
            llm_calls: usage.llm_calls,
            tool_calls: usage.tool_calls,
            models_used: &usage.models_used,
            duration_ms: usage.duration_ms,
        }
    }
}

impl<'a> ResultInfo<'a> {
    pub(crate) fn new(outcome: &'a Outcome) -> Self {
        Self {
            output: outcome.output.as_ref(),
            raw_text: &outcome.raw_text,
            validation_errors: outcome.validation_errors.as_deref(),
        }
    }
}

/// What the runs of one group consumed.
#[derive(Debug, Serialize, ToSchema)]
struct UsageSum<'a> {
    /// The agent, the model, the user (empty without one) or the day in UTC.
    group: &'a str,
    /// How many runs; one that asked several models counts for each of them.
    executions: u64,
    /// How many of them completed.
    completed: u64,
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// Cost in USD of the models with a known price.
    cost_usd: f64,
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let operation = Operation::new("sum_usage", Tag::Executions, "Sum what runs consumed")
        .query::<String>("group_by", "`agent` (the default), `model`, `user` or `day`")
        .query::<String>("since", "Accepted at this instant or later; 30 days ago by default")
        .query::<String>("until", "Accepted before this instant; now by default")
        .returns_list::<UsageSum<'_>>(200, "The sums over the runs that the caller may see, by group");
    routes.get("/v1/usage", Access::Scope("executions:read"), sum, operation)
}

/// The days that a sum covers when nobody says otherwise.
const DAYS: i64 = 30;

async fn sum(
    State(executions): State<Executions>,
    Caller(caller): Caller,
    fields: QueryFields,
) -> Result<Response, ApiError> {
    let mut problems = Problems::default();
    let group = fields.parsed("group_by", "`agent`, `model`, `user` or `day`", group, &mut problems);
    let instant = |name, problems: &mut Problems| {
        fields.parsed(name, "an instant such as 2026-01-02T03:04:05Z", |text| text.parse().ok(), problems)
    };
    let (since, until) = (instant("since", &mut problems), instant("until", &mut problems));
    problems.into_result()?;
    let until = until.unwrap_or_else(|| executions.now());
    let span = jiff::SignedDuration::from_hours(24 * DAYS);
    let since = since.unwrap_or_else(|| until.checked_sub(span).unwrap_or(Timestamp::MIN));
    let window = CostWindow { since, until };
    let rows = executions.costs(window, group.unwrap_or(CostGroup::Agent), &caller).await?;
    let sums: Vec<UsageSum<'_>> = rows.iter().map(row).collect();
    Ok(json(StatusCode::OK, None, &sums))
}

fn group(word: &str) -> Option<CostGroup> {
    Some(match word {
        "agent" => CostGroup::Agent,
        "model" => CostGroup::Model,
        "user" => CostGroup::User,
        "day" => CostGroup::Day,
        _ => return None,
    })
}

fn row(row: &CostRow) -> UsageSum<'_> {
    UsageSum {
        group: &row.group,
        executions: row.executions,
        completed: row.completed,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cost_usd: (row.cost_usd * 1e6).round() / 1e6,
    }
}
