//! `GET /v1/agents` and `GET /v1/agents/{agent_id}`.
use std::borrow::Cow;

use agent_gateway_core::agent::{AgentDefinition, Availability, NotificationSettings, NotificationTarget};
use agent_gateway_http::{Access, ApiError, DottedWord, Operation, PathId, Routes, Tag, json};
use agent_gateway_runtime::{Catalogue, Snapshot};
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An agent as its files define it.
#[derive(Debug, Serialize, ToSchema)]
struct AgentInfo<'a> {
    /// The directory's name.
    id: &'a str,
    /// What it is for.
    description: Cow<'a, str>,
    /// The name shown to people.
    display_name: Option<&'a str>,
    /// Words to find it by.
    tags: &'a [String],
    /// Its version.
    version: Option<&'a str>,
    /// Its skills.
    skills: &'a [String],
    /// The tools of its skills.
    tools: Vec<&'a str>,
    /// Its retrievers.
    retrievers: &'a [String],
    /// Its own model; `null`: the gateway's.
    model: Option<&'a str>,
    /// The names of its schedules.
    schedules: Vec<&'a str>,
    /// `sync` or `async`.
    execution_mode: &'static str,
    /// Who is told of its runs; `null`: nobody.
    notifications: Option<NotificationsInfo<'a>>,
    /// The JSON Schema of its input.
    input_schema: Option<&'a Value>,
    /// The JSON Schema of its output.
    output_schema: Option<&'a Value>,
    /// How many context files it has.
    context_file_count: usize,
    /// Whether it remembers.
    memory_enabled: bool,
    /// Whether it may be invoked.
    enabled: bool,
}

/// Who is told of an agent's runs.
#[derive(Debug, Serialize, ToSchema)]
struct NotificationsInfo<'a> {
    /// Told of completed runs.
    on_complete: Vec<TargetInfo<'a>>,
    /// Told of failed runs.
    on_error: Vec<TargetInfo<'a>>,
    /// Told of runs that took too long.
    on_timeout: Vec<TargetInfo<'a>>,
}

/// One receiver. Addresses of inline webhooks are not shown.
#[derive(Debug, Serialize, ToSchema)]
struct TargetInfo<'a> {
    /// `slack` or `webhook`.
    channel: &'a str,
    /// The channel's or the endpoint's name.
    target: &'a str,
}

impl<'a> AgentInfo<'a> {
    fn new(agent: &'a AgentDefinition, snapshot: &'a Snapshot) -> Self {
        Self {
            id: agent.id.as_str(),
            description: match agent.description.as_str() {
                "" => Cow::Owned(format!("Agent: {}", agent.id)),
                text => Cow::Borrowed(text),
            },
            display_name: agent.display_name.as_deref(),
            tags: &agent.tags,
            version: agent.version.as_deref(),
            skills: &agent.skills,
            tools: snapshot.skill_tools(agent),
            retrievers: &agent.retrievers,
            model: agent.model.name.as_ref().map(AsRef::as_ref),
            schedules: agent.schedules.iter().map(|schedule| schedule.name.as_str()).collect(),
            execution_mode: agent.execution_mode.as_str(),
            notifications: notifications(&agent.notifications),
            input_schema: agent.input_schema.as_deref(),
            output_schema: agent.output_schema.as_deref(),
            context_file_count: agent.context.len(),
            memory_enabled: agent.memory.activation.is_active(),
            enabled: agent.availability == Availability::Enabled,
        }
    }
}

fn notifications(settings: &NotificationSettings) -> Option<NotificationsInfo<'_>> {
    (!settings.is_empty()).then(|| NotificationsInfo {
        on_complete: targets(&settings.on_complete),
        on_error: targets(&settings.on_error),
        on_timeout: targets(&settings.on_timeout),
    })
}

fn targets(targets: &[NotificationTarget]) -> Vec<TargetInfo<'_>> {
    targets.iter().map(|target| TargetInfo { channel: &target.channel, target: &target.target }).collect()
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::Scope("agents:read");
    let list_them = Operation::new("list_agents", Tag::Agents, "List the agents")
        .returns_list::<AgentInfo<'_>>(200, "Every agent, in the order of their directories");
    let get_one = Operation::new("get_agent", Tag::Agents, "Read one agent")
        .returns::<AgentInfo<'_>>(200, "The agent")
        .fails(404, "`agent_not_found`");
    routes.get("/v1/agents", read, list, list_them).get("/v1/agents/{agent_id}", read, get, get_one)
}

async fn list(State(catalogue): State<Catalogue>) -> Response {
    let snapshot = catalogue.snapshot();
    let agents: Vec<_> = snapshot.agents().map(|agent| AgentInfo::new(agent, &snapshot)).collect();
    json(StatusCode::OK, None, &agents)
}

async fn get(State(catalogue): State<Catalogue>, id: PathId<DottedWord>) -> Result<Response, ApiError> {
    let snapshot = catalogue.snapshot();
    let agent = snapshot.agent(id.as_str());
    let agent = agent.ok_or_else(|| ApiError::not_found("agent_not_found", "Agent", id.as_str()))?;
    Ok(json(StatusCode::OK, None, &AgentInfo::new(agent, &snapshot)))
}
