//! A tree of values that knows where each one was written.
use std::{fmt, sync::Arc};

use agent_gateway_core::diagnostic::Diagnostic;
use serde_json::Value;

/// Where a value was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// In a file of the workspace.
    File { path: Arc<str>, line: Option<u32> },
    /// In a variable of the environment.
    Variable(Arc<str>),
}

impl Place {
    /// The line in its file.
    pub(crate) fn line(&self) -> Option<u32> {
        match self {
            Self::File { line, .. } => *line,
            Self::Variable(_) => None,
        }
    }

    pub(crate) fn error(&self, key: &str, message: &str) -> Diagnostic {
        self.finding(key, message, Diagnostic::error)
    }

    pub(crate) fn warning(&self, key: &str, message: &str) -> Diagnostic {
        self.finding(key, message, Diagnostic::warning)
    }

    fn finding(&self, key: &str, message: &str, make: fn(String, String) -> Diagnostic) -> Diagnostic {
        match self {
            Self::File { path, line } => make((**path).to_owned(), message.to_owned()).line(*line).key(key),
            Self::Variable(name) => {
                make(String::new(), format!("{message}, in the variable {name}")).key(key)
            }
        }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Taken out because it could not be read; readers pass it by.
    Absent,
    /// A key without a value.
    Null,
    /// A text, number or boolean.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A scalar as it was spelled, and what YAML 1.1 takes it for.
#[derive(Clone, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) value: Value,
}

impl fmt::Debug for Scalar {
    /// Scalars of a configuration may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[scalar]")
    }
}

/// One key of a mapping and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    /// Where the key stands; a value may begin on a later line.
    pub(crate) place: Place,
    pub(crate) node: Node,
}

/// One step of a path through the tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl Node {
    pub(crate) fn empty_map(place: Place) -> Self {
        Self { place, kind: Kind::Map(Vec::new()) }
    }

    pub(crate) fn text(place: Place, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { place, kind: Kind::Scalar(Scalar { value: Value::String(text.clone()), text }) }
    }

    /// A tree of a JSON value, all of it at one place.
    pub(crate) fn from_json(place: &Place, value: Value) -> Self {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Array(items) => {
                Kind::List(items.into_iter().map(|item| Self::from_json(place, item)).collect())
            }
            Value::Object(map) => Kind::Map(
                map.into_iter()
                    .map(|(key, value)| Entry {
                        key,
                        place: place.clone(),
                        node: Self::from_json(place, value),
                    })
                    .collect(),
            ),
            Value::String(text) => return Self::text(place.clone(), text),
            scalar => Kind::Scalar(Scalar { text: scalar.to_string(), value: scalar }),
        };
        Self { place: place.clone(), kind }
    }

    /// The value without its places, as untyped readers see it.
    #[cfg(test)]
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Absent | Kind::Null => Value::Null,
            Kind::Scalar(scalar) => scalar.value.clone(),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect::<agent_gateway_core::JsonMap>(),
            ),
        }
    }

    /// The entry of that key, if this is a mapping that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => {
                entries.iter().find(|entry| entry.key == key && entry.node.kind != Kind::Absent)
            }
            _ => None,
        }
    }

    /// The item of a list below this mapping, counting those that could be read.
    pub(crate) fn item(&self, key: &str, index: usize) -> Option<&Self> {
        match &self.entry(key)?.node.kind {
            Kind::List(items) => items.iter().filter(|item| item.kind != Kind::Absent).nth(index),
            _ => None,
        }
    }

    /// Whether this mapping had that key before it was taken out.
    pub(crate) fn lost(&self, key: &str) -> bool {
        let Kind::Map(entries) = &self.kind else { return false };
        entries.iter().any(|entry| entry.key == key && entry.node.kind == Kind::Absent)
    }

    /// The path in the file of a path in the value that was read from it, where items that could not be read are missing.
    pub(crate) fn as_written(&self, path: &[Segment]) -> Vec<Segment> {
        let mut written = Vec::new();
        let mut node = Some(self);
        for segment in path {
            let (segment, next) = match (segment, node.map(|node| &node.kind)) {
                (Segment::Index(index), Some(Kind::List(items))) => {
                    let mut left = items.iter().enumerate().filter(|(_, item)| item.kind != Kind::Absent);
                    left.nth(*index)
                        .map_or((segment.clone(), None), |(index, item)| (Segment::Index(index), Some(item)))
                }
                (Segment::Key(key), Some(_)) => {
                    (segment.clone(), node.and_then(|node| node.entry(key)).map(|entry| &entry.node))
                }
                _ => (segment.clone(), None),
            };
            written.push(segment);
            node = next;
        }
        written
    }

    /// The node at the end of the path, if the path exists.
    pub(crate) fn at_mut(&mut self, path: &[Segment]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match (first, &mut self.kind) {
            (Segment::Key(key), Kind::Map(entries)) => {
                entries.iter_mut().find(|entry| entry.key == *key)?.node.at_mut(rest)
            }
            (Segment::Index(index), Kind::List(items)) => items.get_mut(*index)?.at_mut(rest),
            _ => None,
        }
    }

    /// Where the end of the path stands, or the last part of it that exists.
    pub(crate) fn place_of(&self, path: &[Segment]) -> &Place {
        let mut node = self;
        let mut place = &self.place;
        for segment in path {
            match (segment, &node.kind) {
                (Segment::Key(key), Kind::Map(entries)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *key) else { break };
                    (node, place) = (&entry.node, &entry.place);
                }
                (Segment::Index(index), Kind::List(items)) => {
                    let Some(item) = items.get(*index) else { break };
                    (node, place) = (item, &item.place);
                }
                _ => break,
            }
        }
        place
    }
}

/// `auth.api_keys[0].name`
pub(crate) fn dotted(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Segment::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// The reverse of [`dotted`], for keys that have no dots themselves.
pub(crate) fn segments(dotted: &str) -> Vec<Segment> {
    let mut path = Vec::new();
    for part in dotted.split('.').filter(|part| !part.is_empty()) {
        let (key, indices) = part.split_once('[').unwrap_or((part, ""));
        path.push(Segment::Key(key.to_owned()));
        let numbers = indices.split('[').filter_map(|index| index.trim_end_matches(']').parse().ok());
        path.extend(numbers.map(Segment::Index));
    }
    path
}
