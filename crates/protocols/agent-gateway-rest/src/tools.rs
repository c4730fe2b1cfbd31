//! `GET /v1/tools` and `GET /v1/tools/{tool_id}`.
use agent_gateway_core::tool::{ToolSource, ToolSpec};
use agent_gateway_http::{Access, ApiError, DottedWord, Operation, PathId, Routes, Tag, json};
use agent_gateway_runtime::Catalogue;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A tool, as people are told of it.
#[derive(Debug, Serialize, ToSchema)]
struct ToolInfo<'a> {
    /// The name by which it is called.
    name: &'a str,
    /// What it does.
    description: &'a str,
    /// `file`, `code` or `mcp`.
    source: &'static str,
    /// The JSON Schema of its arguments.
    parameters: &'a Value,
}

impl<'a> ToolInfo<'a> {
    fn new(tool: &'a ToolSpec) -> Self {
        Self {
            name: tool.name.as_str(),
            description: &tool.summary,
            source: match tool.source {
                ToolSource::File => "file",
                ToolSource::Code => "code",
                ToolSource::Mcp => "mcp",
            },
            parameters: &tool.parameters,
        }
    }
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::Scope("agents:read");
    let list_them = Operation::new("list_tools", Tag::Tools, "List the tools")
        .returns_list::<ToolInfo<'_>>(200, "Every tool: those of files, then those of the application");
    let get_one = Operation::new("get_tool", Tag::Tools, "Read one tool")
        .returns::<ToolInfo<'_>>(200, "The tool")
        .fails(404, "`tool_not_found`");
    routes.get("/v1/tools", read, list, list_them).get("/v1/tools/{tool_id}", read, get, get_one)
}

async fn list(State(catalogue): State<Catalogue>) -> Response {
    let snapshot = catalogue.snapshot();
    let tools: Vec<_> = snapshot.tools().map(ToolInfo::new).collect();
    json(StatusCode::OK, None, &tools)
}

async fn get(State(catalogue): State<Catalogue>, id: PathId<DottedWord>) -> Result<Response, ApiError> {
    let snapshot = catalogue.snapshot();
    let tool = snapshot.tool(id.as_str());
    let tool = tool.ok_or_else(|| ApiError::not_found("tool_not_found", "Tool", id.as_str()))?;
    Ok(json(StatusCode::OK, None, &ToolInfo::new(tool)))
}
