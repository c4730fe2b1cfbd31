//! `steps` of a `SKILL.md`. A step that is not one is left out, the skill stays.
use std::collections::{BTreeMap, BTreeSet};

use agent_gateway_core::{
    JsonMap,
    skill::{SkillStep, StepAction, ToolStep},
};
use serde::Deserialize;

use super::{Reading, document::Document};
use crate::source::node::{Entry, Kind, Node};

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
    /// The steps that are ones, and the lines where they stand.
    pub(super) fn steps(&mut self, document: &Document, files: Vec<StepFile>) -> (Vec<SkillStep>, Lines) {
        let mut names = BTreeSet::new();
        let mut steps = Vec::new();
        let mut lines = Lines::new();
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
                    if let Some(node) = document.head.item("steps", index) {
                        note_lines(node, &format!("steps[{}]", steps.len()), &mut lines);
                    }
                    steps.push(SkillStep { name: file.name, action });
                }
                Err(message) => {
                    let key = format!("steps[{index}]");
                    self.report(document.place(&key).warning(&key, message));
                }
            }
        }
        if let Some(section) = document.head.entry("steps") {
            lines.extend(section.place.line().map(|line| ("steps".to_owned(), line)));
        }
        (steps, lines)
    }
}

/// Lines by dotted key.
pub(super) type Lines = BTreeMap<String, u32>;

/// Notes where a value and everything in it stands. Indices count the items that could be read.
fn note_lines(node: &Node, key: &str, lines: &mut Lines) {
    match &node.kind {
        Kind::Map(entries) => {
            for Entry { key: name, place, node } in entries {
                let key = format!("{key}.{name}");
                lines.extend(place.line().map(|line| (key.clone(), line)));
                note_lines(node, &key, lines);
            }
        }
        Kind::List(items) => {
            let readable = items.iter().filter(|item| item.kind != Kind::Absent);
            for (index, item) in readable.enumerate() {
                note_lines(item, &format!("{key}[{index}]"), lines);
            }
        }
        Kind::Absent | Kind::Null | Kind::Scalar(_) => {}
    }
    if let Some(line) = node.place.line() {
        lines.entry(key.to_owned()).or_insert(line);
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
