//! The workspace as every task sees it: its members, from `cargo metadata`, and a shell at its root.

use anyhow::{Context, Result, bail};
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use xshell::Shell;

#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) sh: Shell,
    metadata: Metadata,
}

impl Project {
    /// Reads the manifests only; nothing is resolved, so it works without a network.
    pub(crate) fn load() -> Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("cargo metadata")?;
        let sh = Shell::new()?;
        sh.change_dir(&metadata.workspace_root);
        Ok(Self { sh, metadata })
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        &self.metadata.workspace_root
    }

    pub(crate) fn target(&self) -> &Utf8Path {
        &self.metadata.target_directory
    }

    pub(crate) fn members(&self) -> &[Package] {
        &self.metadata.packages
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members().iter().find(|package| package.name.as_str() == name)
    }

    /// A member's folder, relative to the root, with `/` between the parts.
    pub(crate) fn folder(&self, package: &Package) -> Utf8PathBuf {
        let folder = package.manifest_path.parent().unwrap_or(&package.manifest_path);
        folder.strip_prefix(self.root()).unwrap_or(folder).to_path_buf()
    }

    /// Every file that is or would be committed, relative to the root.
    pub(crate) fn files(&self) -> Result<Vec<Utf8PathBuf>> {
        let listing = xshell::cmd!(self.sh, "git ls-files -z --cached --others --exclude-standard")
            .quiet()
            .read()
            .context("tidy asks git which files belong to the project")?;
        let mut files: Vec<Utf8PathBuf> = listing
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(Utf8PathBuf::from)
            .filter(|path| self.root().join(path).is_file())
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }
}

/// Ends a check: one line when all is well, or every violation and a failure.
pub(crate) fn conclude(check: &str, seen: &str, violations: &[String]) -> Result<()> {
    if violations.is_empty() {
        println!("{check}: ok ({seen})");
        return Ok(());
    }
    for violation in violations {
        eprintln!("{check}: {violation}");
    }
    bail!("{check} found {} problem(s)", violations.len())
}
