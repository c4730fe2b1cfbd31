//! Workflows: a skill with steps, as one tool of its agent.
mod check;
mod reference;
mod run;
mod template;

use std::{collections::BTreeSet, sync::Arc};

use agent_gateway_core::{
    JsonMap,
    diagnostic::{Diagnostic, Severity},
    id::{SkillId, ToolName},
    skill::{SkillDefinition, StepAction, ToolStep},
    tool::{ToolSource, ToolSpec},
};
use serde_json::{Value, json};

pub(crate) use self::run::{Done, Gone};
use self::{check::Findings, template::Template};
use crate::{BoundTool, DELEGATE, Run, Schema};

/// The most characters of what the model is told of a workflow.
const MAX_DESCRIPTION: usize = 4000;
/// What a step that asks the model says of itself, where its author does not.
const STEP_INSTRUCTIONS: &str =
    "You do one step of a workflow. Answer briefly, with the result alone: it is passed on to the next step.";

/// The steps of a skill, with their tools at hand.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub(crate) skill: SkillId,
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: Arc<str>,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Calls one tool.
    Tool(StepCall),
    /// Calls several tools at once.
    FanOut(Vec<StepCall>),
    /// Asks the model.
    Prompt(Question),
}

/// A tool and what it is given.
#[derive(Debug)]
pub(crate) struct StepCall {
    tool: StepTool,
    input: Vec<(String, Template)>,
}

/// The tool of a step.
#[derive(Debug)]
enum StepTool {
    /// The same for all agents.
    Bound(Arc<BoundTool>),
    /// The agent's own one by which it hands work to others.
    Delegation,
}

/// What the model is asked.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) system: Arc<str>,
    prompt: Arc<str>,
    input: Vec<(String, Template)>,
}

/// What a step can name.
#[derive(Debug)]
pub enum Named {
    /// A tool.
    Tool(Arc<BoundTool>),
    /// A skill with steps, which steps do not call.
    Workflow,
    /// Nothing that is served.
    Nothing,
}

/// A skill's workflow, made ready, and what was found wrong with it.
#[derive(Debug)]
pub struct MadeWorkflow {
    /// The tool; `None` when the skill has no steps, or cannot be run as it is written.
    pub tool: Option<BoundTool>,
    /// What is wrong.
    pub findings: Vec<Diagnostic>,
}

impl MadeWorkflow {
    /// Makes a skill ready whose steps call the tools that `find` knows. It has a tool when nothing is an error.
    #[must_use]
    pub fn new(skill: &SkillDefinition, find: &dyn Fn(&str) -> Named) -> Self {
        if skill.steps.is_empty() {
            return Self { tool: None, findings: Vec::new() };
        }
        let mut findings = Findings::new(skill);
        let steps = skill.steps.iter().enumerate().filter_map(|(index, step)| {
            let action = match &step.action {
                StepAction::Tool(call) => {
                    let key = format!("steps[{index}].tool");
                    Action::Tool(step_call(call, &key, find, &mut findings)?)
                }
                StepAction::FanOut(calls) => {
                    let calls = calls.iter().enumerate().map(|(place, call)| {
                        let key = format!("steps[{index}].tools[{place}].tool");
                        step_call(call, &key, find, &mut findings)
                    });
                    // All of them are looked at, so that everything is told at once.
                    let calls: Vec<_> = calls.collect();
                    Action::FanOut(calls.into_iter().collect::<Option<_>>()?)
                }
                StepAction::Prompt { prompt, system_prompt, input } => Action::Prompt(Question {
                    system: system_prompt.as_deref().unwrap_or(STEP_INSTRUCTIONS).into(),
                    prompt: prompt.as_str().into(),
                    input: Template::of(input),
                }),
            };
            Some(Step { name: step.name.as_str().into(), action })
        });
        let workflow = Workflow { skill: skill.id.clone(), steps: steps.collect() };
        let used = findings.check_references(skill);
        let spec = spec(skill, used, &mut findings);
        let findings = findings.into_inner();
        if findings.iter().any(|finding| finding.severity == Severity::Error) {
            return Self { tool: None, findings };
        }
        Self { tool: spec.map(|ready| BoundTool::workflow(ready, workflow)), findings }
    }
}

/// The parts of a tool that are known before it is called.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) spec: ToolSpec,
    pub(crate) defaults: JsonMap,
    pub(crate) parameters: Schema,
}

fn step_call(
    call: &ToolStep,
    key: &str,
    find: &dyn Fn(&str) -> Named,
    findings: &mut Findings<'_>,
) -> Option<StepCall> {
    let tool = match find(&call.tool) {
        Named::Tool(tool) => StepTool::Bound(tool),
        Named::Nothing if call.tool == DELEGATE => StepTool::Delegation,
        Named::Workflow => {
            findings.error(key, format!("`{}` is a workflow; a step calls tools alone", call.tool), "");
            return None;
        }
        Named::Nothing => {
            let hint = "a tool's name is the `name` of its TOOL.md, or else its folder";
            findings.error(key, format!("no tool named `{}` is served", call.tool), hint);
            return None;
        }
    };
    Some(StepCall { tool, input: Template::of(&call.input) })
}

/// What the model is told; `None` when it cannot be told anything, which is reported.
fn spec(skill: &SkillDefinition, used: BTreeSet<String>, findings: &mut Findings<'_>) -> Option<Ready> {
    let Ok(name) = ToolName::new(&skill.id) else {
        findings.error("", "the folder's name is not a name that models can call", "");
        return None;
    };
    let declared = skill.input_schema.is_some();
    let mut schema = skill.input_schema.as_deref().cloned().unwrap_or_else(|| derived(used));
    let is_object = match schema.as_object_mut() {
        Some(map) => map.entry("type").or_insert_with(|| "object".into()) == "object",
        None => false,
    };
    if !is_object {
        let hint = "write `type: object`, with what the workflow takes below `properties`";
        findings.error("input_schema", "must describe an object", hint);
        return None;
    }
    let parameters = match Schema::compile(&schema) {
        Ok(parameters) => parameters,
        Err(error) => {
            findings.error("input_schema", error, "");
            return None;
        }
    };
    let mut defaults = JsonMap::new();
    if declared && let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        let values =
            properties.iter().filter_map(|(name, of)| Some((name.clone(), of.get("default")?.clone())));
        defaults.extend(values);
    }
    let parts = [skill.description.trim(), skill.body.trim()];
    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let end = text.char_indices().nth(MAX_DESCRIPTION).map_or(text.len(), |(end, _)| end);
    let mut spec = ToolSpec::new(name, &text[..end], schema, ToolSource::File);
    spec.summary = skill.description.as_str().into();
    Some(Ready { spec, defaults, parameters })
}

/// Without a schema, a workflow takes what its steps use, and needs all of it.
fn derived(used: BTreeSet<String>) -> Value {
    let properties: JsonMap = used.iter().map(|name| (name.clone(), json!({}))).collect();
    let mut schema = json!({"type": "object", "properties": properties});
    if !used.is_empty() {
        schema["required"] = used.into_iter().collect();
    }
    schema
}

impl StepCall {
    fn name(&self) -> &str {
        match &self.tool {
            StepTool::Bound(tool) => tool.spec().name.as_str(),
            StepTool::Delegation => DELEGATE,
        }
    }

    fn tool<'a>(&'a self, run: &'a Run) -> Option<&'a BoundTool> {
        match &self.tool {
            StepTool::Bound(tool) => Some(tool),
            StepTool::Delegation => run.agent.tools.get(DELEGATE).map(|tool| &**tool),
        }
    }

    /// Its arguments, as far as earlier steps have come.
    pub(crate) fn arguments(&self, input: &Value, steps: &Value) -> Result<JsonMap, String> {
        Template::fill(&self.input, input, steps).map_err(template::TooLarge::sentence)
    }
}

impl Question {
    /// What the model is asked, as far as earlier steps have come.
    pub(crate) fn text(&self, input: &Value, steps: &Value) -> Result<Arc<str>, String> {
        if self.input.is_empty() {
            return Ok(self.prompt.clone());
        }
        let context = Template::fill(&self.input, input, steps).map_err(template::TooLarge::sentence)?;
        let json = serde_json::to_string_pretty(&context).unwrap_or_default();
        Ok(format!("{}\n\n## Context\n```json\n{json}\n```", self.prompt).into())
    }
}
