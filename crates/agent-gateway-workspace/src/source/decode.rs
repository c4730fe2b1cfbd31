//! Reads a tree into a type and reports everything that is wrong with it, not only the first thing.
use std::cell::RefCell;

use serde::de::DeserializeOwned;

use super::{
    fault::{Note, NoteKind},
    node::{Kind, Node, Place, Segment, dotted},
    reader, suggest,
};

/// More faults than this in one file mean that it is not what it claims to be.
const MAX_FAULTS: usize = 100;

/// A value and all that was found on the way.
#[derive(Debug)]
pub(crate) struct Decoded<T> {
    /// What could be read; what could not has its default.
    pub(crate) value: T,
    pub(crate) problems: Vec<Problem>,
}

/// One thing that is wrong in a tree.
#[derive(Debug)]
pub(crate) struct Problem {
    /// The key as a dotted path.
    pub(crate) key: String,
    pub(crate) place: Place,
    pub(crate) nature: Nature,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// In which way something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// There is no such key; it was passed by.
    UnknownKey,
    /// The value is not of the key's type; the default stands.
    WrongValue,
    /// The key has no value where one is needed; the default stands.
    NoValue,
    /// A boolean of YAML 1.1, read as such.
    OldBoolean,
    /// Another spelling of `false`, read as such.
    LooseFalse,
    /// The whole could not be read.
    Unreadable,
}

/// Reads `root`. Parts that cannot be read are taken out of it one by one, so that each is reported.
pub(crate) fn decode<T: DeserializeOwned + Default>(root: &mut Node) -> Decoded<T> {
    let mut problems = Vec::new();
    if root.kind == Kind::Null {
        root.kind = Kind::Map(Vec::new());
    }
    for _ in 0..MAX_FAULTS {
        let notes = RefCell::new(Vec::new());
        let fault = match reader::read::<T>(root, &notes) {
            Ok(value) => {
                problems.extend(notes.into_inner().into_iter().map(describe));
                return Decoded { value, problems };
            }
            Err(fault) => fault,
        };
        let path = fault.path.unwrap_or_default();
        let nature = if path.is_empty() {
            Nature::Unreadable
        } else if fault.is_empty {
            Nature::NoValue
        } else {
            Nature::WrongValue
        };
        let (key, place) = (dotted(&path), root.place_of(&path).clone());
        let node = root.at_mut(&path);
        // A field that was taken out before was reported then; its absence is no news.
        let is_news = !matches!((&node, fault.missing), (Some(node), Some(field)) if node.lost(field));
        if is_news {
            problems.push(Problem { key, place, nature, message: fault.message, hint: fault.hint });
        }
        match node {
            Some(node) if !path.is_empty() => node.kind = Kind::Absent,
            _ => return Decoded { value: T::default(), problems },
        }
    }
    problems.push(Problem {
        key: String::new(),
        place: root.place.clone(),
        nature: Nature::Unreadable,
        message: format!("more than {MAX_FAULTS} values cannot be read"),
        hint: String::new(),
    });
    Decoded { value: T::default(), problems }
}

fn describe(note: Note) -> Problem {
    let key = dotted(&note.path);
    let (nature, message, hint) = match note.kind {
        NoteKind::UnknownKey { known } => {
            let last = match note.path.last() {
                Some(Segment::Key(key)) => key.as_str(),
                _ => "",
            };
            (Nature::UnknownKey, "unknown key".to_owned(), suggest::hint(last, known))
        }
        NoteKind::LooseFalse => {
            (Nature::LooseFalse, "this spelling is read as false".to_owned(), "write `false`".to_owned())
        }
        NoteKind::OldBoolean { text, flag } => {
            let hint = format!("write `{flag}`, or `\"{text}\"` for the text");
            (Nature::OldBoolean, format!("`{text}` is read as {flag}, as in YAML 1.1"), hint)
        }
    };
    Problem { key, place: note.place, nature, message, hint }
}

#[cfg(test)]
mod tests;
