//! `GET /v1/skills` and `GET /v1/skills/{skill_id}`.
use agent_gateway_core::skill::SkillDefinition;
use agent_gateway_http::{Access, ApiError, DottedWord, Operation, PathId, Routes, Tag, json};
use agent_gateway_runtime::Catalogue;
use axum::{extract::State, http::StatusCode, response::Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A skill as its file defines it.
#[derive(Debug, Serialize, ToSchema)]
struct SkillInfo<'a> {
    /// The directory's name.
    id: &'a str,
    /// The name shown to people and models.
    name: &'a str,
    /// What it is for.
    description: &'a str,
    /// Its tools.
    tools: &'a [String],
    /// Whether it is a workflow.
    has_workflow: bool,
    /// How many steps that has.
    step_count: usize,
}

impl<'a> SkillInfo<'a> {
    fn new(skill: &'a SkillDefinition) -> Self {
        Self {
            id: skill.id.as_str(),
            name: &skill.name,
            description: &skill.description,
            tools: &skill.tools,
            has_workflow: !skill.steps.is_empty(),
            step_count: skill.steps.len(),
        }
    }
}

pub(crate) fn routes(routes: Routes) -> Routes {
    let read = Access::Scope("agents:read");
    let list_them = Operation::new("list_skills", Tag::Skills, "List the skills")
        .returns_list::<SkillInfo<'_>>(200, "Every skill, in the order of their directories");
    let get_one = Operation::new("get_skill", Tag::Skills, "Read one skill")
        .returns::<SkillInfo<'_>>(200, "The skill")
        .fails(404, "`skill_not_found`");
    routes.get("/v1/skills", read, list, list_them).get("/v1/skills/{skill_id}", read, get, get_one)
}

async fn list(State(catalogue): State<Catalogue>) -> Response {
    let snapshot = catalogue.snapshot();
    let skills: Vec<_> = snapshot.definitions().skills.values().map(|skill| SkillInfo::new(skill)).collect();
    json(StatusCode::OK, None, &skills)
}

async fn get(State(catalogue): State<Catalogue>, id: PathId<DottedWord>) -> Result<Response, ApiError> {
    let snapshot = catalogue.snapshot();
    let skill = snapshot.definitions().skills.get(id.as_str());
    let skill = skill.ok_or_else(|| ApiError::not_found("skill_not_found", "Skill", id.as_str()))?;
    Ok(json(StatusCode::OK, None, &SkillInfo::new(skill)))
}
