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

/// Enough for the deepest file that is read, also where nothing is optimised.
const STACK_BYTES: usize = 32 * 1024 * 1024;

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
        let cut_off = || Error::unexpected("reading the workspace was cut off").during("workspace.read");
        let (tell, read) = tokio::sync::oneshot::channel();
        // A thread of its own, because what is nested deeply needs more stack than the runtime's threads have.
        std::thread::Builder::new()
            .name("workspace".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || drop(tell.send(definitions::read(&path, &*vars, &tools))))
            .map_err(|error| cut_off().caused_by(error))?;
        read.await.map_err(|error| cut_off().caused_by(error))?
    }
}
