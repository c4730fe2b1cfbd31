//! A definition file: its settings as a typed value, its body, and which faults keep it from being served.
use std::sync::Arc;

use agent_gateway_core::diagnostic::Diagnostic;
use serde::de::DeserializeOwned;

use super::Reading;
use crate::{
    files::MAX_DEFINITION_BYTES,
    source::{
        decode::{Nature, Problem, decode},
        frontmatter::{Head, Parts, split},
        node::{Kind, Node, Place, segments},
        yaml::{self, YamlError},
    },
};

/// A file with settings.
pub(super) struct Document {
    pub(super) file: Arc<str>,
    /// A mapping.
    pub(super) head: Node,
    pub(super) body: String,
}

/// What is known of the keys of one kind of file.
pub(super) struct Rules {
    /// Keys that guard something: with a wrong value there, the entity is not served.
    pub(super) guards: &'static [&'static str],
    /// Those among them where no value at all is wrong too.
    pub(super) never_empty: &'static [&'static str],
    /// Guards that belong elsewhere: written here they would not hold, so the entity is not served.
    pub(super) misplaced: &'static [&'static str],
    /// What to say of keys that people write and that mean nothing here.
    pub(super) hints: &'static [(&'static str, &'static str)],
}

/// The body of a file whose settings, if it has any, mean nothing.
pub(super) fn body_only(text: &str) -> String {
    match split(text) {
        Parts { head: Head::Unclosed { .. }, .. } => text.trim().to_owned(),
        Parts { body, .. } => body,
    }
}

impl Reading<'_> {
    /// Reads a definition file; `None` when it is broken, which is reported.
    pub(super) fn document(&mut self, file: &str) -> Option<Document> {
        let text = match self.text(file, MAX_DEFINITION_BYTES) {
            Ok(text) => text,
            Err(refusal) => {
                self.report(refusal.error(file));
                return None;
            }
        };
        let path: Arc<str> = file.into();
        let Parts { head, body } = split(&text);
        let none = Node::empty_map(Place::File { path: Arc::clone(&path), line: None });
        let parsed = match head {
            Head::None => Ok(none),
            Head::Yaml { text, line } => yaml::parse(&text, &path, line).map(|head| match head.kind {
                Kind::Map(_) => head,
                _ => {
                    self.report(no_settings(file, line.saturating_sub(1)));
                    none
                }
            }),
            Head::Json { text, line } => json(&text, &path, line),
            Head::Unclosed { line } => Err(YamlError {
                line: Some(line),
                message: "the settings are not closed by a line like the one that opens them".to_owned(),
                hint: "add that line below the settings",
            }),
            Head::Rule { line } => {
                let message = "looks like the start of settings, and none follow; the whole text is the body";
                let hint = "begin the text with another line, or put settings between two such lines";
                self.report(Diagnostic::warning(file, message).line(line).hint(hint));
                Ok(none)
            }
        };
        match parsed {
            Ok(head) => Some(Document { file: path, head, body }),
            Err(YamlError { line, message, hint }) => {
                let finding = Diagnostic::error(file, format!("{message}; not served")).line(line);
                let hint = if hint.is_empty() { "correct the settings at the top of the file" } else { hint };
                self.report(finding.hint(hint));
                None
            }
        }
    }

    /// The settings as a type; `None` when one that guards something is wrong.
    pub(super) fn settings<T: DeserializeOwned + Default>(
        &mut self,
        document: &mut Document,
        rules: &Rules,
    ) -> Option<T> {
        let decoded = decode::<T>(&mut document.head);
        let mut is_served = true;
        for problem in decoded.problems {
            let is_fatal = rules.is_fatal(&problem);
            is_served &= !is_fatal;
            self.report(rules.finding(problem, is_fatal));
        }
        is_served.then_some(decoded.value)
    }

    /// Says of keys that are read but have no effect yet.
    pub(super) fn not_yet(&mut self, document: &Document, keys: &[(&str, &str)]) {
        for (key, meanwhile) in keys {
            let Some(entry) = document.head.entry(key) else { continue };
            let is_empty = match &entry.node.kind {
                Kind::Null => true,
                Kind::List(items) => items.is_empty(),
                Kind::Map(entries) => entries.is_empty(),
                _ => false,
            };
            if !is_empty {
                self.report(entry.place.warning(key, &format!("not yet supported: {meanwhile}")));
            }
        }
    }
}

impl Document {
    /// Where the key stands; indices count the items that could be read.
    pub(super) fn place(&self, key: &str) -> &Place {
        self.head.place_of(&self.head.as_written(&segments(key)))
    }
}

impl Rules {
    fn is_fatal(&self, problem: &Problem) -> bool {
        let among = |keys: &[&str]| {
            keys.iter().any(|key| {
                problem
                    .key
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
        };
        match problem.nature {
            Nature::Unreadable => true,
            Nature::WrongValue => among(self.guards),
            Nature::NoValue => among(self.never_empty),
            // A mistyped key below a guard is a guard that does not hold.
            Nature::UnknownKey => {
                (problem.key.contains('.') && among(self.never_empty))
                    || self.misplaced.contains(&problem.key.as_str())
            }
            Nature::OldBoolean | Nature::LooseFalse => false,
        }
    }

    fn finding(&self, problem: Problem, is_fatal: bool) -> Diagnostic {
        let Problem { key, place, nature, message, mut hint } = problem;
        if nature == Nature::UnknownKey
            && let Some((_, meaning)) = self.hints.iter().find(|(known, _)| *known == key)
        {
            hint = (*meaning).to_owned();
        }
        if is_fatal {
            return place.error(&key, &format!("{message}; not served")).hint(hint);
        }
        let message = match nature {
            Nature::UnknownKey => format!("{message}, it has no effect"),
            Nature::WrongValue => format!("{message}; read as if it were not there"),
            _ => message,
        };
        place.warning(&key, &message).hint(hint)
    }
}

/// Of something between two fences that is a list, a text or nothing.
fn no_settings(file: &str, line: u32) -> Diagnostic {
    let message = "what stands between the first two fences is not a mapping of settings, so it is ignored";
    let hint = "write settings there such as `description: text`, or begin the text with another line";
    Diagnostic::warning(file, message).line(line).hint(hint)
}

fn json(text: &str, path: &Arc<str>, line: u32) -> Result<Node, YamlError> {
    let place = Place::File { path: Arc::clone(path), line: Some(line) };
    match serde_json::from_str(text) {
        Ok(value) => Ok(Node::from_json(&place, value)),
        Err(error) => {
            let below = u32::try_from(error.line()).unwrap_or(1).saturating_sub(1);
            let text = error.to_string();
            // Its line counts from the fence; the finding has the line of the file.
            let text = text.find(" at line ").map_or(text.as_str(), |end| &text[..end]);
            let message = format!("the settings are not JSON: {text}");
            Err(YamlError { line: Some(line.saturating_add(below)), message, hint: "" })
        }
    }
}
