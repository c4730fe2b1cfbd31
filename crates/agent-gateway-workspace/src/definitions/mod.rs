//! Reads agents, skills and tools. One bad file harms only itself; one that all agents share harms all of them.
mod agent;
mod collection;
mod context;
mod document;
mod guardrails;
mod handler;
mod http;
mod parameters;
mod references;
mod schedule;
mod skill;
mod steps;
mod tool;

use std::{path::Path, sync::Arc};

use agent_gateway_core::{
    Error, Result, config::ToolsConfig, definitions::Definitions, diagnostic::Diagnostic, vars::Vars,
};
use sha2::{Digest, Sha256};

use self::references::References;
use crate::files::{MAX_DEFINITION_BYTES, Refusal, Root};

/// The most bytes of all files together.
const MAX_WORKSPACE_BYTES: u64 = 256 * 1024 * 1024;
/// The most findings that are kept.
const MAX_FINDINGS: usize = 1_000;

/// Everything that one reading needs and gathers.
pub(crate) struct Reading<'w> {
    root: &'w Root,
    vars: &'w dyn Vars,
    tools: &'w ToolsConfig,
    diagnostics: Vec<Diagnostic>,
    references: References,
    digest: Sha256,
    room: u64,
}

/// Reads the whole workspace. `Err` where the folder itself cannot be read.
pub(crate) fn read(path: &Path, vars: &dyn Vars, tools: &ToolsConfig) -> Result<Definitions> {
    let root = Root::open(path).map_err(|error| {
        Error::misconfigured("the workspace is not a folder that can be read")
            .during("workspace.read")
            .with("path", path.display())
            .caused_by(error)
    })?;
    let mut reading = Reading {
        root: &root,
        vars,
        tools,
        diagnostics: Vec::new(),
        references: References::default(),
        digest: Sha256::new(),
        room: MAX_WORKSPACE_BYTES,
    };
    let prompt = reading.shared_prompt("agents/AGENTS.md");
    let behavior = reading.shared_prompt("agents/BEHAVIOR.md");
    let are_rules_known = prompt.is_some() && behavior.is_some();
    let mut found = Definitions {
        root_prompt: prompt.unwrap_or_default(),
        root_behavior: behavior.unwrap_or_default(),
        ..Definitions::default()
    };
    reading.agents(&mut found);
    reading.skills(&mut found);
    reading.tools(&mut found);
    let Reading { mut diagnostics, references, digest, .. } = reading;
    references.check(&found, &mut diagnostics);
    if !are_rules_known {
        // Only now, so that their own findings are told and nobody is warned of names that are right.
        found.agents.clear();
    }
    shorten(&mut diagnostics);
    found.revision = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    found.diagnostics = diagnostics;
    Ok(found)
}

/// Errors stay before warnings when there are too many to keep.
fn shorten(diagnostics: &mut Vec<Diagnostic>) {
    let Some(excess) = diagnostics.len().checked_sub(MAX_FINDINGS).filter(|excess| *excess > 0) else {
        return;
    };
    diagnostics.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    diagnostics.truncate(MAX_FINDINGS);
    diagnostics.push(Diagnostic::error("", format!("{excess} more findings are not shown")));
}

impl Reading<'_> {
    /// A file's text; it counts for the revision, and so does that there is one which is not read.
    fn text(&mut self, file: &str, max: u64) -> Result<String, Refusal> {
        let text = self.root.read(file, max).and_then(|text| {
            self.room = self.room.checked_sub(text.len() as u64).ok_or(Refusal::Full(MAX_WORKSPACE_BYTES))?;
            Ok(text)
        });
        // No text that is read holds this character.
        self.count(file, text.as_deref().unwrap_or("\0"));
        text
    }

    /// Lets a fact count for the revision. Lengths keep neighbours from running into each other.
    fn count(&mut self, name: &str, value: &str) {
        for part in [name, value] {
            self.digest.update((part.len() as u64).to_le_bytes());
            self.digest.update(part);
        }
    }

    fn report(&mut self, finding: Diagnostic) {
        self.diagnostics.push(finding);
    }

    /// A prompt for every agent, empty without a file; `None` for one that is there and cannot be read, which is
    /// reported. No agent may be served then: what all of them share are rules.
    fn shared_prompt(&mut self, file: &str) -> Option<Arc<str>> {
        match self.prompt(file) {
            Ok(body) => Some(body.unwrap_or_default().into()),
            Err(refusal) => {
                let mut finding = refusal.error(file);
                finding.message.push_str("; all agents share it, so none of them is served");
                self.report(finding);
                None
            }
        }
    }

    /// The body of a file that has no settings, `None` if there is no such file.
    fn prompt(&mut self, file: &str) -> Result<Option<String>, Refusal> {
        if !self.root.has(file) {
            return Ok(None);
        }
        let text = self.text(file, MAX_DEFINITION_BYTES)?;
        Ok(Some(document::body_only(&text)))
    }
}
