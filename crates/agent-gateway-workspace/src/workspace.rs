//! A workspace as a source of definitions.
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use agent_gateway_core::{
    Error, Result, config::ToolsConfig, definitions::Definitions, ports::definition::DefinitionSource,
    vars::Vars,
};
use async_trait::async_trait;

use crate::definitions;

/// A folder with `agents/`, `skills/` and `tools/`.
#[derive(Clone, Debug)]
pub struct Workspace {
    path: PathBuf,
    vars: Arc<dyn Vars>,
    tools: ToolsConfig,
}

impl Workspace {
    /// The workspace at `path`, whose tools may name variables of `vars`. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>, vars: Arc<dyn Vars>) -> Self {
        Self { path: path.into(), vars, tools: ToolsConfig::default() }
    }

    /// With these times and limits for tools that set none.
    #[must_use]
    pub fn with_tools(mut self, tools: ToolsConfig) -> Self {
        self.tools = tools;
        self
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[async_trait]
impl DefinitionSource for Workspace {
    async fn read(&self) -> Result<Definitions> {
        let Self { path, vars, tools } = self.clone();
        let reading = tokio::task::spawn_blocking(move || definitions::read(&path, &*vars, &tools));
        reading.await.map_err(|error| {
            Error::unexpected("reading the workspace was cut off").during("workspace.read").caused_by(error)
        })?
    }
}
