//! `/healthz` and `/readyz`, for those who start and stop processes.
use agent_gateway_runtime::{Catalogue, Readiness};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::json;

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    /// Always `ok`.
    status: &'static str,
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    #[serde(flatten)]
    dependencies: Readiness,
}

/// Each dependency: `ok` or `down`.
#[derive(Debug, ToSchema)]
#[schema(as = Ready)]
#[expect(dead_code, reason = "only its schema is read")]
pub(crate) struct ReadyBody {
    /// `ok` when everything is, else `down`.
    status: String,
    /// The database.
    persistence: String,
    /// The queue.
    queue: String,
    /// Whether new work is taken.
    intake: String,
}

pub(crate) async fn alive() -> Response {
    json(StatusCode::OK, None, &Alive { status: "ok" })
}

pub(crate) async fn ready(State(catalogue): State<Catalogue>) -> Response {
    let dependencies = catalogue.readiness().await;
    let (status, word) = if dependencies.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "down")
    };
    json(status, None, &Ready { status: word, dependencies })
}
