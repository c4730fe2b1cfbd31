//! A skill: instructions and the tools that go with them.
use std::{collections::BTreeMap, sync::Arc};

use crate::{JsonMap, id::SkillId};

/// A folder with a `SKILL.md`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SkillDefinition {
    /// The directory's name, by which agents refer to it.
    pub id: SkillId,
    /// The name shown in the prompt and the API.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The names of its tools, as written.
    pub tools: Vec<String>,
    /// The steps of its workflow, in order; empty when it is none.
    pub steps: Vec<SkillStep>,
    /// The JSON Schema of the workflow's input, where one is declared.
    pub input_schema: Option<Arc<serde_json::Value>>,
    /// The instructions.
    pub body: Arc<str>,
    /// The lines of what stands below `steps` and `input_schema`, by dotted key, so that findings can name them. Indices count
    /// the items that are in `steps`.
    pub lines: BTreeMap<String, u32>,
}

impl SkillDefinition {
    /// A skill of that name without tools and steps.
    pub fn new(id: SkillId, body: impl Into<Arc<str>>) -> Self {
        Self {
            name: id.to_string(),
            id,
            description: String::new(),
            tools: Vec::new(),
            steps: Vec::new(),
            input_schema: None,
            body: body.into(),
            lines: BTreeMap::new(),
        }
    }

    /// The line of a dotted key, or of the nearest key above it that has one.
    #[must_use]
    pub fn line_of(&self, key: &str) -> Option<u32> {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return Some(*line);
            }
            key = &key[..key.rfind(['.', '['])?];
        }
    }
}

/// One step of a workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct SkillStep {
    /// The name by which later steps refer to its output.
    pub name: String,
    /// What it does.
    pub action: StepAction,
}

/// What a step does. Inputs may hold `$.input.…` and `$.steps.…` references.
#[derive(Clone, Debug, PartialEq)]
pub enum StepAction {
    /// Calls one tool.
    Tool(ToolStep),
    /// Calls several tools at once.
    FanOut(Vec<ToolStep>),
    /// Asks the model.
    Prompt {
        /// The question.
        prompt: String,
        /// The instructions, where the default ones will not do.
        system_prompt: Option<String>,
        /// Values shown with the question.
        input: JsonMap,
    },
}

/// A tool and its input within a step.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolStep {
    /// The tool's name.
    pub tool: String,
    /// Its arguments, with references.
    pub input: JsonMap,
}
