//! What a workspace defines, as one immutable set.
use std::sync::Arc;

use indexmap::IndexMap;

use crate::{
    agent::AgentDefinition,
    diagnostic::{Diagnostic, Severity},
    id::{AgentId, SkillId, ToolName},
    skill::SkillDefinition,
    tool::ToolDefinition,
};

/// Everything that a workspace defines, in directory order. Only what can be served is in it; the rest is in `diagnostics`.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    /// The body of `agents/AGENTS.md`, the first shared prompt.
    pub root_prompt: Arc<str>,
    /// The body of `agents/BEHAVIOR.md`, the second shared prompt.
    pub root_behavior: Arc<str>,
    /// The agents by id.
    pub agents: IndexMap<AgentId, Arc<AgentDefinition>>,
    /// The skills by id.
    pub skills: IndexMap<SkillId, Arc<SkillDefinition>>,
    /// The file tools by name.
    pub tools: IndexMap<ToolName, Arc<ToolDefinition>>,
    /// A digest of all that was read: equal revisions mean equal definitions.
    pub revision: String,
    /// What was found on the way.
    pub diagnostics: Vec<Diagnostic>,
}

impl Definitions {
    /// How many findings are errors.
    #[must_use]
    pub fn error_count(&self) -> usize {
        self.diagnostics.iter().filter(|finding| finding.severity == Severity::Error).count()
    }
}
