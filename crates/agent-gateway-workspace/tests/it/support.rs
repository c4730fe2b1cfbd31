//! A workspace in a temporary folder.
use std::{fs, path::Path, sync::Arc};

use agent_gateway_core::{
    config::ToolsConfig,
    definitions::Definitions,
    diagnostic::{Diagnostic, Severity},
    ports::definition::DefinitionSource,
    vars::MapVars,
};
use agent_gateway_workspace::Workspace;

pub(crate) struct Folder {
    pub(crate) dir: tempfile::TempDir,
    vars: MapVars,
    tools: ToolsConfig,
}

/// A workspace with these files; `agents/` is always there.
pub(crate) fn workspace<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Folder {
    let folder =
        Folder { dir: tempfile::tempdir().unwrap(), vars: MapVars::default(), tools: ToolsConfig::default() };
    fs::create_dir(folder.path().join("agents")).unwrap();
    for (path, text) in files {
        folder.write(path, text);
    }
    folder
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn vars(mut self, vars: &[(&str, &str)]) -> Self {
        self.vars = vars.iter().copied().collect();
        self
    }

    pub(crate) fn tools(mut self, tools: ToolsConfig) -> Self {
        self.tools = tools;
        self
    }

    pub(crate) fn read(&self) -> Definitions {
        let source = Workspace::new(self.path(), Arc::new(self.vars.clone())).with_tools(self.tools);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(source.read()).unwrap()
    }
}

/// `E file:line key` or `W file:line key` of every finding, sorted.
pub(crate) fn findings(found: &Definitions) -> Vec<String> {
    let mut shown: Vec<_> = found.diagnostics.iter().map(shown).collect();
    shown.sort();
    shown
}

fn shown(finding: &Diagnostic) -> String {
    let severity = if finding.severity == Severity::Error { 'E' } else { 'W' };
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    format!("{severity} {}{line} {}", finding.file, finding.key).trim_end().to_owned()
}

pub(crate) fn text(found: &Definitions) -> String {
    found.diagnostics.iter().map(|finding| format!("{finding}\n")).collect()
}
