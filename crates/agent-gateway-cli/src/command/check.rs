//! Checks a workspace as `serve` would read it.
use std::process::ExitCode;

use agent_gateway::{
    Gateway, Plan,
    core::diagnostic::{Diagnostic, Severity},
};
use anyhow::{Result, bail};
use serde::Serialize;

use super::exists;
use crate::{
    args::{Format, Listing},
    output::{self, Colour, line, paint},
};

#[derive(Serialize)]
struct Report<'a> {
    workspace: String,
    valid: bool,
    agents: Vec<&'a str>,
    skills: Vec<&'a str>,
    tools: Vec<&'a str>,
    errors: Vec<&'a Diagnostic>,
    warnings: Vec<&'a Diagnostic>,
}

pub(crate) async fn check(args: &Listing) -> Result<ExitCode> {
    exists(&args.workspace)?;
    let plan = Gateway::builder(&args.workspace.workspace).auth_from_workspace().check().await;
    let (errors, warnings): (Vec<_>, Vec<_>) =
        plan.diagnostics().partition(|finding| finding.severity == Severity::Error);
    let report = Report {
        workspace: args.workspace.workspace.display().to_string(),
        valid: errors.is_empty(),
        agents: plan.snapshot.agents().map(|agent| agent.id.as_str()).collect(),
        skills: plan.snapshot.definitions().skills.keys().map(|id| id.as_str()).collect(),
        tools: plan.snapshot.tools().map(|tool| tool.name.as_str()).collect(),
        errors,
        warnings,
    };
    match args.output.format() {
        Format::Json => output::json(&report)?,
        Format::Csv => bail!("check prints a table or JSON; use --format json"),
        Format::Table => print(&plan, &report),
    }
    Ok(if report.valid { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn print(plan: &Plan, report: &Report<'_>) {
    let out = std::io::stdout();
    let ok = paint(Colour::Green, "[ok]", &out);
    line(format_args!("Workspace: {}", report.workspace));
    line(format_args!("\nAgents ({}):", report.agents.len()));
    for agent in plan.snapshot.agents() {
        let mut parts = vec![agent.id.to_string()];
        let (skills, tools) = (agent.skills.len(), plan.snapshot.skill_tools(agent).len());
        parts.extend((skills > 0).then(|| format!("skills: {skills}")));
        parts.extend((tools > 0).then(|| format!("tools: {tools}")));
        line(format_args!("  {ok} {}", parts.join(", ")));
    }
    section(
        "Skills",
        plan.snapshot.definitions().skills.values().map(|skill| {
            let tools = if skill.tools.is_empty() {
                String::new()
            } else {
                format!(" (tools: {})", skill.tools.join(", "))
            };
            format!("{ok} {}{tools}", skill.id)
        }),
    );
    section("Tools", plan.snapshot.tools().map(|tool| format!("{ok} {}", tool.name)));
    let (yellow, red) = (paint(Colour::Yellow, "[!]", &out), paint(Colour::Red, "[x]", &out));
    section("Warnings", report.warnings.iter().map(|finding| format!("{yellow} {finding}")));
    section("Errors", report.errors.iter().map(|finding| format!("{red} {finding}")));
    line(if report.valid { "\nValidation passed." } else { "\nValidation failed." });
}

fn section(title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        line(format_args!("\n{title} ({}):", lines.len()));
        lines.iter().for_each(|entry| line(format_args!("  {entry}")));
    }
}
