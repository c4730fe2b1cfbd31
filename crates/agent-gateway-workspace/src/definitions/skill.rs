//! `SKILL.md`.
use agent_gateway_core::{JsonMap, id::SkillId, skill::SkillDefinition};
use serde::Deserialize;

use super::{Reading, agent::schema, collection::Folder, document::Rules, steps::StepFile};

const RULES: Rules = Rules {
    guards: &["input_schema"],
    never_empty: &[],
    misplaced: &[],
    hints: &[
        ("id", "the id is the folder's name"),
        ("allowed-tools", "the tools of a skill are listed under `tools`"),
        ("parameters", "the input of a workflow is described by `input_schema`"),
    ],
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SkillFile {
    name: Option<String>,
    description: String,
    tools: Vec<String>,
    steps: Vec<StepFile>,
    input_schema: Option<JsonMap>,
}

impl Reading<'_> {
    /// The skill of a folder; `None` when it cannot be served, which is reported.
    pub(super) fn skill(&mut self, folder: &Folder) -> Option<SkillDefinition> {
        let mut document = self.document(&folder.file)?;
        let settings = self.settings::<SkillFile>(&mut document, &RULES)?;
        let mut skill = SkillDefinition::new(SkillId::new(&folder.id).ok()?, document.body.as_str());
        if settings.description.trim().is_empty() {
            let finding = document.place("description").warning("description", "is empty");
            self.report(finding.hint("say in a sentence what the skill is for; the model reads it"));
        }
        (skill.steps, skill.lines) = self.steps(&document, settings.steps);
        if let Some(section) = document.head.entry("input_schema") {
            skill.lines.extend(section.place.line().map(|line| ("input_schema".to_owned(), line)));
        }
        if let Some(name) = settings.name.filter(|name| !name.trim().is_empty()) {
            skill.name = name;
        }
        skill.description = settings.description;
        skill.tools = settings.tools;
        skill.input_schema = schema(settings.input_schema);
        Some(skill)
    }
}
