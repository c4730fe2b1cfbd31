//! Names by which one definition refers to another, checked when all are read.
use agent_gateway_core::{agent::Availability, definitions::Definitions, diagnostic::Diagnostic};

use super::document::Document;
use crate::source::{node::Place, suggest};

/// What a name refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Agent,
    /// An agent to which this one hands work.
    Delegate(String),
    Skill,
}

#[derive(Debug)]
struct Reference {
    place: Place,
    key: String,
    target: Target,
    name: String,
}

/// All references of a workspace. Names of tools are not among them: tools of code and of MCP servers are not known here.
#[derive(Debug, Default)]
pub(super) struct References(Vec<Reference>);

impl References {
    /// Notes a list of names for later.
    pub(super) fn note(&mut self, document: &Document, key: &str, target: &Target, names: &[String]) {
        for (index, name) in names.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let place = document.place(&key).clone();
            self.0.push(Reference { place, key, target: target.clone(), name: name.clone() });
        }
    }

    /// Warns of names that nothing has.
    pub(super) fn check(&self, found: &Definitions, diagnostics: &mut Vec<Diagnostic>) {
        for reference in &self.0 {
            let name = reference.name.as_str();
            let (what, is_known, near) = match &reference.target {
                Target::Agent | Target::Delegate(_) => {
                    let near = suggest::nearest(name, found.agents.keys().map(AsRef::as_ref));
                    ("agent", found.agents.contains_key(name), near)
                }
                Target::Skill => {
                    let near = suggest::nearest(name, found.skills.keys().map(AsRef::as_ref));
                    ("skill", found.skills.contains_key(name), near)
                }
            };
            if !is_known {
                let hint = near.map_or(String::new(), |near| format!("did you mean `{near}`?"));
                let message = format!("no {what} of the id `{}` is served", shown(name));
                diagnostics.push(reference.place.warning(&reference.key, &message).hint(hint));
            } else if let Target::Delegate(own) = &reference.target {
                diagnostics.extend(reference.check_delegate(own, found));
            }
        }
    }
}

impl Reference {
    /// Warns of an agent that can be handed nothing.
    fn check_delegate(&self, own: &str, found: &Definitions) -> Option<Diagnostic> {
        let message = if self.name == own {
            "is the agent itself, which cannot hand work to itself"
        } else if found.agents.get(self.name.as_str())?.availability == Availability::Disabled {
            "is an agent that is disabled, so it is handed no work"
        } else {
            return None;
        };
        Some(self.place.warning(&self.key, message))
    }
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}
