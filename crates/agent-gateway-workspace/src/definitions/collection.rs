//! The folders of `agents/`, `skills/` and `tools/`.
use agent_gateway_core::{definitions::Definitions, diagnostic::Diagnostic, id::AgentId};

use super::Reading;
use crate::files::{Entry, Refusal};

/// The most folders of one kind.
const MAX_FOLDERS: usize = 2_000;
/// Folders that programs leave behind.
const LEFTOVERS: [&str; 2] = ["__pycache__", "node_modules"];

/// A folder that defines something.
pub(super) struct Folder {
    /// Its name, which is a valid id.
    pub(super) id: String,
    /// Relative to the workspace.
    pub(super) path: String,
    /// The file that defines it, relative to the workspace.
    pub(super) file: String,
}

impl Reading<'_> {
    pub(super) fn agents(&mut self, found: &mut Definitions) {
        if !self.root.has("agents") {
            let finding = Diagnostic::warning("agents", "there is no such folder, so there are no agents");
            self.report(finding.hint("make agents/<id>/AGENT.md"));
        }
        for folder in self.folders("agents", "AGENT.md") {
            if let Some(agent) = self.agent(&folder) {
                found.agents.insert(agent.id.clone(), agent.into());
            }
        }
    }

    pub(super) fn skills(&mut self, found: &mut Definitions) {
        for folder in self.folders("skills", "SKILL.md") {
            if let Some(skill) = self.skill(&folder) {
                found.skills.insert(skill.id.clone(), skill.into());
            }
        }
    }

    pub(super) fn tools(&mut self, found: &mut Definitions) {
        for folder in self.folders("tools", "TOOL.md") {
            let Some(tool) = self.tool(&folder) else { continue };
            let name = tool.spec.name.clone();
            if let Some(first) = found.tools.get(&name) {
                let message = format!("the tool name `{name}` is taken by tools/{}/TOOL.md", first.id);
                let finding = Diagnostic::error(&folder.file, message).key("name");
                self.report(finding.hint("give one of them another `name`; the first one is served"));
            } else {
                found.tools.insert(name, tool.into());
            }
        }
    }

    /// The folders of a collection that define something, by name.
    fn folders(&mut self, collection: &str, definition: &str) -> Vec<Folder> {
        if !self.root.has(collection) {
            return Vec::new();
        }
        let mut entries = match self.root.entries(collection) {
            Ok(entries) => entries,
            Err(refusal) => {
                self.report(refusal.error(collection));
                return Vec::new();
            }
        };
        if entries.len() > MAX_FOLDERS {
            let message = format!("has more than {MAX_FOLDERS} entries; the rest is not read");
            self.report(Diagnostic::error(collection, message));
            entries.truncate(MAX_FOLDERS);
        }
        entries.into_iter().filter_map(|entry| self.folder(entry, definition)).collect()
    }

    fn folder(&mut self, entry: Entry, definition: &str) -> Option<Folder> {
        if entry.name.ends_with(".md") {
            return None;
        }
        match self.root.is_folder(&entry.path) {
            Ok(true) if LEFTOVERS.contains(&entry.name.as_str()) => return None,
            Ok(true) => {}
            Ok(false) => return None,
            Err(refusal @ Refusal::Missing) => {
                self.report(refusal.warning(&entry.path));
                return None;
            }
            Err(refusal) => {
                self.report(refusal.error(&entry.path));
                return None;
            }
        }
        let file = format!("{}/{definition}", entry.path);
        if !self.root.has(&file) {
            self.misspelled(&entry, definition);
            return None;
        }
        if AgentId::new(&entry.name).is_err() {
            let finding =
                Diagnostic::warning(&entry.path, "the folder's name is not an id, so it is not served");
            let hint = "use lower-case letters, digits, `_` and `-`, at most 64, a letter or digit first";
            self.report(finding.hint(hint));
            return None;
        }
        Some(Folder { id: entry.name, path: entry.path, file })
    }

    /// A folder without its file is nobody's business, unless the file is there under a slightly different name.
    fn misspelled(&mut self, entry: &Entry, definition: &str) {
        let files = self.root.entries(&entry.path).unwrap_or_default();
        if let Some(file) = files.iter().find(|file| file.name.eq_ignore_ascii_case(definition)) {
            let finding = Diagnostic::warning(&file.path, "is not read, because of its name");
            self.report(finding.hint(format!("rename it to {definition}")));
        }
    }
}
