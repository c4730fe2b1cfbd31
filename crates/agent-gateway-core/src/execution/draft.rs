//! What a model has said of a turn that is not whole yet. It stands behind the log, and the whole turn takes its place.
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Cursor;

/// A piece of the turn under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPiece {
    /// The last log entry before the turn.
    pub after: Cursor,
    /// Where the piece begins in the turn's text, in bytes.
    pub offset: u64,
    /// The text.
    pub text: Arc<str>,
}

/// The turn under way, as far as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The last log entry before the turn.
    pub after: Cursor,
    /// Its text so far.
    pub text: String,
}

impl Draft {
    /// Takes in text that begins `offset` bytes into the turn. What is there already is skipped; what would leave a gap is
    /// dropped.
    pub fn take_in(&mut self, offset: u64, text: &str) {
        let held = self.text.len() as u64;
        let seen = held.checked_sub(offset).and_then(|seen| usize::try_from(seen).ok());
        self.text.push_str(seen.and_then(|seen| text.get(seen..)).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_taken_in_once_and_without_gaps() {
        let mut draft = Draft { after: Cursor::START, text: String::new() };
        for (offset, text, whole) in [
            (0, "grü", "grü"),
            (0, "grü", "grü"),
            (9, "gap", "grü"),
            (2, "üße", "grüße"),
            (1, "r", "grüße"),
            (7, "!", "grüße!"),
            (u64::MAX, "?", "grüße!"),
        ] {
            draft.take_in(offset, text);
            assert_eq!(draft.text, whole);
        }
    }
}
