//! `POST /v1/reload`.
use agent_gateway_http::{Access, ApiError, Operation, Routes, Tag, json};
use agent_gateway_runtime::Catalogue;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Reload;

/// What was read.
#[derive(Debug, Serialize, ToSchema)]
struct ReloadInfo {
    /// Always `ok`.
    status: &'static str,
    /// Agents served now.
    agents: usize,
    /// The same in words, with the number of findings.
    message: String,
}

pub(crate) fn routes(routes: Routes, reload: Reload) -> Routes {
    let operation = Operation::new("reload", Tag::Admin, "Read the workspace again")
        .description("Executions under way keep what they began with.")
        .returns::<ReloadInfo>(200, "It was read")
        .fails(403, "`insufficient_scope`, `reload_disabled`")
        .fails(500, "`reload_failed`: nothing could be read, and nothing has changed");
    routes.post(
        "/v1/reload",
        Access::Scope("admin"),
        move |State(catalogue): State<Catalogue>| read_again(catalogue, reload),
        operation,
    )
}

async fn read_again(catalogue: Catalogue, reload: Reload) -> Result<Response, ApiError> {
    if reload == Reload::Disabled {
        let sentence = "Reloading over HTTP is switched off; start the gateway with reloading to allow it";
        return Err(ApiError::new(StatusCode::FORBIDDEN, "reload_disabled", sentence));
    }
    match catalogue.reload().await {
        Ok(health) => {
            let message = format!(
                "{} agents, {} skills and {} tools are served; {} errors and {} warnings were found",
                health.agent_count,
                health.skill_count,
                health.tool_count,
                health.error_count,
                health.warning_count
            );
            Ok(json(StatusCode::OK, None, &ReloadInfo { status: "ok", agents: health.agent_count, message }))
        }
        Err(error) => {
            tracing::error!(error = ?error, "the workspace could not be read again");
            let sentence = "The workspace could not be read; what was served before is still served";
            Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "reload_failed", sentence))
        }
    }
}
