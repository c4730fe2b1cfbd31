//! The system prompt, in layers.
use std::{fmt::Write as _, sync::Arc};

use agent_gateway_core::{
    JsonMap, Timestamp, agent::AgentDefinition, definitions::Definitions, skill::SkillDefinition,
};

use crate::OutputSchema;

const SEPARATOR: &str = "\n\n---\n\n";

/// The layers of a prompt that are the same for every run of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptLayers {
    /// The shared prompts, the agent's prompt and its behaviour.
    instructions: String,
    /// The static context.
    reference: String,
    /// The skills.
    skills: String,
}

impl PromptLayers {
    /// Puts the fixed layers of `agent` together. Each context file is cut to `max_context_file_chars`.
    #[must_use]
    pub fn new(definitions: &Definitions, agent: &AgentDefinition, max_context_file_chars: usize) -> Self {
        let instructions =
            [&definitions.root_prompt, &definitions.root_behavior, &agent.prompt, &agent.behavior];
        let files: Vec<&str> =
            agent.context.iter().map(|file| cut_chars(file, max_context_file_chars)).collect();
        let skills = agent.skills.iter().filter_map(|id| definitions.skills.get(id.as_str()));
        Self {
            instructions: join(instructions.into_iter().map(|layer| &**layer)),
            reference: headed("## Reference Material", &files.join(SEPARATOR)),
            skills: skills_layer(skills.map(|skill| &**skill)),
        }
    }

    /// The system prompt of one run.
    #[must_use]
    pub fn system(&self, now: Timestamp, output: Option<&OutputSchema>) -> String {
        let date = now.strftime("Current date and time: %Y-%m-%d %H:%M UTC").to_string();
        let mut prompt = join([date.as_str(), &self.instructions, &self.reference, &self.skills]);
        if let Some(schema) = output {
            prompt.push_str(&schema.instruction());
        }
        prompt
    }
}

/// The caller's message with the structured input that the agent has a schema for.
pub(crate) fn user_message(message: &Arc<str>, input: &JsonMap, agent: &AgentDefinition) -> Arc<str> {
    if input.is_empty() || agent.input_schema.is_none() {
        return message.clone();
    }
    let json = serde_json::to_string_pretty(input).unwrap_or_default();
    format!("{message}\n\n## Input\n```json\n{json}\n```").into()
}

fn join<'a>(layers: impl IntoIterator<Item = &'a str>) -> String {
    let layers: Vec<&str> = layers.into_iter().filter(|layer| !layer.trim().is_empty()).collect();
    layers.join(SEPARATOR)
}

fn headed(heading: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("{heading}\n\n{body}") }
}

fn skills_layer<'a>(skills: impl Iterator<Item = &'a SkillDefinition>) -> String {
    let mut body = String::new();
    for skill in skills {
        let _ = writeln!(body, "### Skill: {}", skill.name);
        if !skill.description.is_empty() {
            let _ = writeln!(body, "*{}*", skill.description);
        }
        let _ = writeln!(body, "\n{}\n", skill.body);
    }
    headed("## Available Skills", body.trim_end())
}

fn cut_chars(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests;
