//! `steps` of a `SKILL.md`. A step that is not one is left out, the skill stays.
use std::collections::BTreeSet;

use agent_gateway_core::{
    JsonMap,
    skill::{SkillStep, StepAction, ToolStep},
};
use serde::Deserialize;

use super::{Reading, document::Document};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StepFile {
    name: String,
    tool: Option<String>,
    tools: Option<Vec<ToolStepFile>>,
    prompt: Option<String>,
    system_prompt: Option<String>,
    input: JsonMap,
}

#[derive(Debug, Deserialize)]
struct ToolStepFile {
    tool: String,
    #[serde(default)]
    input: JsonMap,
}

impl Reading<'_> {
    pub(super) fn steps(&mut self, document: &Document, files: Vec<StepFile>) -> Vec<SkillStep> {
        let mut names = BTreeSet::new();
        let mut steps = Vec::new();
        for (index, file) in files.into_iter().enumerate() {
            let result = if file.name.trim().is_empty() {
                Err("has no `name`; the step is left out")
            } else if names.contains(&file.name) {
                Err("a step of this name came before; this one is left out")
            } else {
                action(file.tool, file.tools, file.prompt, file.system_prompt, file.input)
            };
            match result {
                Ok(action) => {
                    names.insert(file.name.clone());
                    steps.push(SkillStep { name: file.name, action });
                }
                Err(message) => {
                    let key = format!("steps[{index}]");
                    self.report(document.place(&key).error(&key, message));
                }
            }
        }
        steps
    }
}

/// A step does exactly one thing.
fn action(
    tool: Option<String>,
    tools: Option<Vec<ToolStepFile>>,
    prompt: Option<String>,
    system_prompt: Option<String>,
    input: JsonMap,
) -> Result<StepAction, &'static str> {
    match (tool, tools, prompt) {
        (Some(tool), None, None) if !tool.is_empty() => Ok(StepAction::Tool(ToolStep { tool, input })),
        (None, Some(tools), None) if !tools.is_empty() => {
            let calls = tools.into_iter().map(|file| ToolStep { tool: file.tool, input: file.input });
            Ok(StepAction::FanOut(calls.collect()))
        }
        (None, None, Some(prompt)) => Ok(StepAction::Prompt { prompt, system_prompt, input }),
        _ => Err("must have exactly one of `tool`, `tools` and `prompt`; the step is left out"),
    }
}
