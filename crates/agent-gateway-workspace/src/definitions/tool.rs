//! `TOOL.md`.
use agent_gateway_core::{
    JsonMap,
    diagnostic::Diagnostic,
    id::ToolName,
    tool::{Approval, ToolAccess, ToolDefinition, ToolRetry, ToolSource, ToolSpec},
};
use serde::Deserialize;

use super::{
    Reading,
    collection::Folder,
    document::{Document, Rules},
    handler::ExecFile,
    http::HttpFile,
    parameters::parameters,
    references::Target,
};

/// The most characters of what the model is told of a tool.
const MAX_DESCRIPTION: usize = 4000;

const RULES: Rules = Rules {
    guards: &["name", "parameters", "permissions", "retry", "env", "timeout_ms", "http", "exec", "script"],
    never_empty: &["permissions", "retry", "http", "exec", "script"],
    misplaced: &["allowed_agents", "require_approval"],
    hints: &[
        ("id", "the id is the folder's name"),
        ("input_schema", "the schema of the arguments is `parameters`"),
        ("allowed_agents", "write it below `permissions:`"),
        ("require_approval", "write it below `permissions:`"),
        ("handler", "put a handler.py or an executable `handler` into the folder, or describe it by `exec`"),
    ],
};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToolFile {
    name: Option<String>,
    description: String,
    parameters: JsonMap,
    permissions: PermissionsFile,
    retry: RetryWord,
    pub(super) timeout_ms: Option<u64>,
    pub(super) env: Vec<String>,
    pub(super) http: Option<HttpFile>,
    pub(super) exec: Option<ExecFile>,
    pub(super) script: Option<ExecFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PermissionsFile {
    allowed_agents: Option<Vec<String>>,
    require_approval: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RetryWord {
    #[default]
    Safe,
    Never,
}

impl Reading<'_> {
    /// The tool of a folder; `None` when it cannot be served, which is reported.
    pub(super) fn tool(&mut self, folder: &Folder) -> Option<ToolDefinition> {
        let mut document = self.document(&folder.file)?;
        let mut settings = self.settings::<ToolFile>(&mut document, &RULES)?;
        let name = self.tool_name(folder, &document, settings.name.as_deref())?;
        let parameters =
            parameters(&document, std::mem::take(&mut settings.parameters), &mut self.diagnostics);
        let handler = self.handler(folder, &document, &settings, &parameters.schema)?;
        let description = self.tool_description(&document, &settings.description);
        let mut spec = ToolSpec::new(name, description, parameters.schema, ToolSource::File);
        spec.access = self.tool_access(&document, settings.permissions.allowed_agents)?;
        if settings.permissions.require_approval {
            spec.approval = Approval::Required;
        }
        if settings.retry == RetryWord::Never {
            spec.retry = ToolRetry::Never;
        }
        let mut tool = ToolDefinition::new(&folder.id, spec, handler);
        tool.spec.summary = settings.description.into();
        tool.defaults = parameters.defaults;
        Some(tool)
    }

    fn tool_name(&mut self, folder: &Folder, document: &Document, name: Option<&str>) -> Option<ToolName> {
        let checked = ToolName::new(name.unwrap_or(&folder.id));
        if checked.is_err() {
            let finding =
                document.place("name").error("name", "is not a name that models can call; not served");
            self.report(finding.hint("use letters, digits, `_` and `-`, at most 64"));
        }
        checked.ok()
    }

    /// The sentence of the settings, then the body, as far as there is room.
    fn tool_description(&mut self, document: &Document, description: &str) -> String {
        let parts = [description.trim(), document.body.as_str()];
        let mut text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
        if text.is_empty() {
            let finding = document.place("description").warning("description", "is empty");
            self.report(finding.hint("say what the tool does; the model chooses by it"));
        }
        if let Some((end, _)) = text.char_indices().nth(MAX_DESCRIPTION) {
            text.truncate(end);
            let message = format!("description and body have more than {MAX_DESCRIPTION} characters");
            let finding = Diagnostic::warning(&*document.file, message);
            self.report(finding.hint("the model is told no more than that"));
        }
        text
    }

    /// Who may use it; `None` for a list that says nothing, which may have been meant for few.
    fn tool_access(&mut self, document: &Document, allowed: Option<Vec<String>>) -> Option<ToolAccess> {
        let key = "permissions.allowed_agents";
        let Some(agents) = allowed else {
            let section = document.head.entry("permissions");
            if section.is_some_and(|section| section.node.entry("allowed_agents").is_some()) {
                let finding = document.place(key).error(key, "has no value; not served");
                self.report(
                    finding.hint("list the agents, or remove the key to let every agent use the tool"),
                );
                return None;
            }
            return Some(ToolAccess::Everyone);
        };
        if agents.is_empty() {
            self.report(document.place(key).warning(key, "is empty, so no agent may use the tool"));
        }
        self.references.note(document, key, &Target::Agent, &agents);
        Some(ToolAccess::Only(agents))
    }
}
