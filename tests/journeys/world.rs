//! A workspace on disk.
use std::{fs, path::PathBuf, sync::Arc};

use agent_gateway::core::vars::MapVars;
use tempfile::TempDir;

pub(crate) struct Workspace(TempDir);

impl Workspace {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    /// One agent, `helper`, and nothing configured.
    pub(crate) fn helper() -> Self {
        Self::new(&[
            ("agents/helper/AGENT.md", "You help."),
            ("gateway.yaml", "persistence: {enabled: false}\n"),
        ])
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.0.path().join(path), text).unwrap();
    }
}

/// An environment with nothing in it.
pub(crate) fn no_vars() -> Arc<MapVars> {
    Arc::new(MapVars::default())
}

/// These variables.
pub(crate) fn vars(pairs: &[(&str, &str)]) -> Arc<MapVars> {
    Arc::new(pairs.iter().copied().collect())
}
