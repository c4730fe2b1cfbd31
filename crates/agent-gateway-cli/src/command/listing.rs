//! Lists agents and skills.
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::read;
use crate::{args::Listing, output};

#[derive(Serialize)]
struct AgentRow<'a> {
    id: &'a str,
    skills: usize,
    tools: usize,
    model: &'a str,
}

pub(crate) async fn agents(args: &Listing) -> Result<ExitCode> {
    let plan = read(&args.workspace).await?;
    let rows: Vec<AgentRow<'_>> = plan
        .snapshot
        .agents()
        .map(|agent| AgentRow {
            id: agent.id.as_str(),
            skills: agent.skills.len(),
            tools: plan.snapshot.skill_tools(agent).len(),
            model: agent.model.name.as_ref().map_or("(default)", |name| name.as_str()),
        })
        .collect();
    output::rows(args.output.format(), &["id", "skills", "tools", "model"], &rows, "No agents found.")?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct SkillRow<'a> {
    id: &'a str,
    tools: &'a [String],
    steps: usize,
    description: &'a str,
}

pub(crate) async fn skills(args: &Listing) -> Result<ExitCode> {
    let plan = read(&args.workspace).await?;
    let skills = plan.snapshot.definitions().skills.values();
    let rows: Vec<SkillRow<'_>> = skills
        .map(|skill| SkillRow {
            id: skill.id.as_str(),
            tools: &skill.tools,
            steps: skill.steps.len(),
            description: &skill.description,
        })
        .collect();
    output::rows(args.output.format(), &["id", "tools", "steps", "description"], &rows, "No skills found.")?;
    Ok(ExitCode::SUCCESS)
}
