//! `GET /v1/health`.
use agent_gateway_http::{Access, Operation, Routes, Tag, json};
use agent_gateway_runtime::{Catalogue, HealthStatus};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What is served.
#[derive(Debug, Serialize, ToSchema)]
struct HealthInfo {
    /// `ok`, or `degraded` when something of the workspace cannot be served.
    status: &'static str,
    /// Agents served.
    agent_count: usize,
    /// Skills served.
    skill_count: usize,
    /// Tools served.
    tool_count: usize,
    /// Findings that keep something from being served.
    error_count: usize,
    /// Other findings.
    warning_count: usize,
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let operation = Operation::new("health", Tag::Health, "What is served?")
        .description("Always 200. `/readyz` asks the dependencies.")
        .returns::<HealthInfo>(200, "The state of the workspace");
    routes.get("/v1/health", Access::Authenticated, health, operation)
}

async fn health(State(catalogue): State<Catalogue>) -> Response {
    let health = catalogue.health();
    let body = HealthInfo {
        status: match health.status {
            HealthStatus::Ok => "ok",
            HealthStatus::Degraded => "degraded",
        },
        agent_count: health.agent_count,
        skill_count: health.skill_count,
        tool_count: health.tool_count,
        error_count: health.error_count,
        warning_count: health.warning_count,
    };
    json(StatusCode::OK, None, &body)
}
