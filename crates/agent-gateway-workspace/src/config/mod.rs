//! Reads the configuration: environment over `gateway.yaml` over defaults, every problem in one report.
mod check;
mod environment;
mod merge;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use agent_gateway_core::{
    config::GatewayConfig,
    diagnostic::{Diagnostic, Severity},
    vars::Vars,
};

use crate::{
    files::{MAX_DEFINITION_BYTES, Refusal, Root},
    source::{
        decode::{Nature, decode},
        node::{Kind, Node, Place},
        yaml,
    },
};

/// The file's name.
pub(crate) const FILE: &str = "gateway.yaml";

/// The configuration and what was found on the way to it.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConfigReading {
    /// The values; keys that could not be read have their default.
    pub config: GatewayConfig,
    /// Everything that is wrong. With one error among it the gateway must not start.
    pub diagnostics: Vec<Diagnostic>,
    origins: BTreeMap<String, Origin>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of `gateway.yaml`.
    File {
        /// The line, from 1.
        line: Option<u32>,
    },
    /// A variable of the environment.
    Variable {
        /// Its name.
        name: String,
    },
}

impl ConfigReading {
    /// Whether anything found forbids to start.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Where the value of a key comes from, such as `model.default` or `auth.api_keys`; `None`: it is the default.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.origins.get(key)
    }
}

/// Reads the configuration of a workspace. A workspace without `gateway.yaml` has the defaults and the environment.
#[must_use]
pub fn read_config(workspace: &Path, vars: &dyn Vars) -> ConfigReading {
    let mut diagnostics = Vec::new();
    let mut tree = read_file(workspace, &mut diagnostics);
    check::substitute_variables(&mut tree, vars, &mut diagnostics);
    environment::overlay(&mut tree, vars, &mut diagnostics);
    let origins = merge::origins(&tree);
    let whole = tree.clone();
    let decoded = decode::<GatewayConfig>(&mut tree);
    for problem in decoded.problems {
        if !problem.key.is_empty() && check::is_reported(&problem.key, &diagnostics) {
            continue;
        }
        // A variable holds nothing but text, so `"false"` is no slip here.
        if problem.nature == Nature::LooseFalse {
            continue;
        }
        let finding = match problem.nature {
            Nature::OldBoolean => problem.place.warning(&problem.key, &problem.message),
            _ => problem.place.error(&problem.key, &problem.message),
        };
        diagnostics.push(finding.hint(problem.hint));
    }
    check::rules(&decoded.value, &tree, &mut diagnostics);
    check::support(&whole, &mut diagnostics);
    ConfigReading { config: decoded.value, diagnostics, origins }
}

fn read_file(workspace: &Path, diagnostics: &mut Vec<Diagnostic>) -> Node {
    let path: Arc<str> = FILE.into();
    let empty = Node::empty_map(Place::File { path: Arc::clone(&path), line: None });
    let root = match Root::open(workspace).map_err(Refusal::from) {
        Ok(root) => root,
        Err(Refusal::Missing) => return empty,
        Err(refusal) => {
            diagnostics.push(refusal.error(FILE));
            return empty;
        }
    };
    let text = match root.read(FILE, MAX_DEFINITION_BYTES) {
        Ok(text) => text,
        Err(Refusal::Missing) if !root.has(FILE) => {
            if root.has("gateway.yml") {
                let finding = Diagnostic::error("gateway.yml", "is not read");
                diagnostics.push(finding.hint("rename it to gateway.yaml"));
            }
            return empty;
        }
        Err(refusal) => {
            diagnostics.push(refusal.error(FILE));
            return empty;
        }
    };
    match yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(&text), &path, 1) {
        Ok(Node { kind: Kind::Null, .. }) => empty,
        Ok(node @ Node { kind: Kind::Map(_), .. }) => node,
        Ok(node) => {
            let message = "must be a mapping of sections, such as `server:`";
            diagnostics.push(node.place.error("", message));
            empty
        }
        Err(error) => {
            diagnostics.push(Diagnostic::error(FILE, error.message).line(error.line).hint(error.hint));
            empty
        }
    }
}

#[cfg(test)]
mod tests;
