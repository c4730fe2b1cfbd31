//! What can be wrong with a workflow, told with file, line and key before anybody runs it.
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use agent_gateway_core::{
    JsonMap,
    diagnostic::Diagnostic,
    skill::{SkillDefinition, StepAction},
};

use super::{
    reference::{Reference, Root},
    template::{Found, Template},
};

/// The most tools that a step calls at once.
const MAX_FAN_OUT: usize = 10;
/// The most steps of a workflow.
const MAX_STEPS: usize = 100;
/// The most bytes of a step's name, which is part of the ids and keys of its calls.
const MAX_NAME_BYTES: usize = 100;
/// The most findings of one workflow.
const MAX_FINDINGS: usize = 50;

/// The findings of one skill.
#[derive(Debug)]
pub(super) struct Findings<'s> {
    skill: &'s SkillDefinition,
    found: Vec<Diagnostic>,
}

impl<'s> Findings<'s> {
    pub(super) fn new(skill: &'s SkillDefinition) -> Self {
        Self { skill, found: Vec::new() }
    }

    pub(super) fn into_inner(self) -> Vec<Diagnostic> {
        self.found
    }

    /// Something that keeps the workflow from being offered.
    pub(super) fn error(&mut self, key: &str, message: impl fmt::Display, hint: &str) {
        let message = format!("{message}; the skill is offered as instructions alone, not as a workflow");
        self.add(key, message, hint, Diagnostic::error);
    }

    fn warning(&mut self, key: &str, message: String, hint: &str) {
        self.add(key, message, hint, Diagnostic::warning);
    }

    fn add(&mut self, key: &str, message: String, hint: &str, make: fn(String, String) -> Diagnostic) {
        if self.found.len() < MAX_FINDINGS {
            let file = format!("skills/{}/SKILL.md", self.skill.id);
            self.found.push(make(file, message).line(self.skill.line_of(key)).key(key).hint(hint));
        }
    }

    /// Checks what can be checked without knowing the tools. What it answers are the members of the input that steps use.
    pub(super) fn check_references(&mut self, skill: &SkillDefinition) -> BTreeSet<String> {
        if skill.steps.len() > MAX_STEPS {
            self.error("steps", format!("has more than {MAX_STEPS} steps"), "divide it into several skills");
        }
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (index, step) in skill.steps.iter().enumerate() {
            if places.insert(&step.name, index).is_some() {
                self.error(
                    &format!("steps[{index}].name"),
                    format!("a step `{}` came before", step.name),
                    "",
                );
            }
        }
        for (index, step) in skill.steps.iter().enumerate() {
            if step.name.len() > MAX_NAME_BYTES || step.name.contains(char::is_control) {
                let message = format!("must be one line of at most {MAX_NAME_BYTES} bytes");
                self.error(&format!("steps[{index}].name"), message, "");
            }
        }
        let mut used = BTreeSet::new();
        for (index, step) in skill.steps.iter().enumerate() {
            let key = format!("steps[{index}]");
            match &step.action {
                StepAction::Tool(call) => self.check_input(&call.input, &key, index, &places, &mut used),
                StepAction::Prompt { input, .. } => self.check_input(input, &key, index, &places, &mut used),
                StepAction::FanOut(calls) => {
                    if calls.len() > MAX_FAN_OUT {
                        let message =
                            format!("calls {} tools at once; {MAX_FAN_OUT} are the most", calls.len());
                        self.error(&format!("{key}.tools"), message, "divide them among several steps");
                    }
                    for (place, call) in calls.iter().enumerate() {
                        let key = format!("{key}.tools[{place}]");
                        self.check_input(&call.input, &key, index, &places, &mut used);
                    }
                }
            }
        }
        used
    }

    fn check_input(
        &mut self,
        input: &JsonMap,
        key: &str,
        at: usize,
        places: &HashMap<&str, usize>,
        used: &mut BTreeSet<String>,
    ) {
        let members = Template::of(input);
        Template::walk(&members, &format!("{key}.input"), &mut |key, found| match found {
            Found::Reference(reference) if reference.root == Root::Input => {
                used.insert(reference.first().to_owned());
            }
            Found::Reference(reference) => self.check_step(reference, key, at, places),
            Found::Text(text) if text.starts_with("$.") => {
                let hint = "references begin with `$.input.` or `$.steps.`";
                self.warning(key, "looks like a reference and is passed on as a text".to_owned(), hint);
            }
            Found::Text(_) => {}
        });
    }

    fn check_step(&mut self, reference: &Reference, key: &str, at: usize, places: &HashMap<&str, usize>) {
        let name = reference.first();
        match places.get(name) {
            None => {
                let known: Vec<String> =
                    self.skill.steps[..at].iter().map(|step| format!("`{}`", step.name)).collect();
                let hint = if known.is_empty() {
                    "no step comes before this one".to_owned()
                } else {
                    format!("the steps before this one: {}", known.join(", "))
                };
                self.error(key, format!("there is no step `{name}`"), &hint);
            }
            Some(&place) if place == at => {
                self.error(key, format!("the step `{name}` refers to itself"), "");
            }
            Some(&place) if place > at => {
                let hint = "move that step up, or this one down";
                self.error(key, format!("the step `{name}` comes later"), hint);
            }
            Some(_) if reference.misses_output() => {
                let hint = format!("what a step comes to is `$.steps.{name}.output`");
                self.warning(key, "is always null".to_owned(), &hint);
            }
            Some(_) => {}
        }
    }
}
