//! What goes wrong or deserves a word while a tree is read, and where.
use serde::de::{self, Expected, Unexpected};
use serde_json::Value;

use super::node::{Kind, Node, Place, Segment};

/// Why a value could not be read, and which one.
#[derive(Debug)]
pub(super) struct Fault {
    /// The value that is to blame; `None` until a level that knows it has seen the fault.
    pub(super) path: Option<Vec<Segment>>,
    pub(super) is_empty: bool,
    /// The field that is not there, if that is the fault.
    pub(super) missing: Option<&'static str>,
    pub(super) message: String,
    pub(super) hint: String,
}

/// Something that is read, but should be known.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) path: Vec<Segment>,
    pub(super) place: Place,
    pub(super) kind: NoteKind,
}

#[derive(Debug)]
pub(super) enum NoteKind {
    /// No such key; it was passed by.
    UnknownKey { known: &'static [&'static str] },
    /// A boolean of YAML 1.1, read as this.
    OldBoolean { text: String, flag: bool },
    /// A number or a text in place of `false`.
    LooseFalse,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { path: None, is_empty: false, missing: None, message: message.into(), hint: String::new() }
    }

    pub(super) fn wrong(node: &Node, wanted: &str) -> Self {
        Self::new(format!("expected {wanted}, found {}", node.noun()))
    }

    pub(super) fn no_value(wanted: &str) -> Self {
        Self { is_empty: true, ..Self::new(format!("has no value, expected {wanted}")) }
    }

    /// The innermost value that knows its path is the one to blame.
    pub(super) fn located(mut self, path: &Path<'_>) -> Self {
        self.path.get_or_insert_with(|| path.to_vec());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// Texts are never repeated in a message: they may come from a variable that holds a secret.
impl de::Error for Fault {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Str(_) => "a text".to_owned(),
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number".to_owned(),
            Unexpected::Bool(_) => "true or false".to_owned(),
            other => other.to_string(),
        };
        Self::new(format!("expected {}, found {found}", plain_words(&expected.to_string())))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let wanted = plain_words(&expected);
        match found {
            Unexpected::Unsigned(number) => Self::new(format!("expected {wanted}, found {number}")),
            Unexpected::Signed(number) => Self::new(format!("expected {wanted}, found {number}")),
            _ => Self::new(format!("expected {wanted}")),
        }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("has no `{field}`")) }
    }
}

/// Rust's names of number types mean nothing to the person who wrote the file.
fn plain_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        other => other,
    }
}

impl Node {
    fn noun(&self) -> &'static str {
        match &self.kind {
            Kind::Absent | Kind::Null => "nothing",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
            Kind::Scalar(scalar) => match scalar.value {
                Value::Bool(_) => "true or false",
                Value::Number(_) => "a number",
                _ => "a text",
            },
        }
    }
}

/// The way from the root, as a chain of borrowed links.
pub(super) enum Path<'p> {
    Root,
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl Path<'_> {
    pub(super) fn to_vec(&self) -> Vec<Segment> {
        let mut path = Vec::new();
        let mut here = self;
        loop {
            here = match here {
                Self::Root => break,
                Self::Key(above, key) => {
                    path.push(Segment::Key((*key).to_owned()));
                    above
                }
                Self::Index(above, index) => {
                    path.push(Segment::Index(*index));
                    above
                }
            };
        }
        path.reverse();
        path
    }
}
