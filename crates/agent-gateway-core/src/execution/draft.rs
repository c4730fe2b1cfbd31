//! What a model has said of a turn that is not whole yet. It stands behind the log, and the whole turn takes its place.
use std::sync::Arc;

use super::Cursor;

/// A piece of the turn under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftPiece {
    /// The last log entry before the turn.
    pub after: Cursor,
    /// Where the piece begins in the turn's text, in bytes.
    pub offset: u64,
    /// The text.
    pub text: Arc<str>,
}

/// The turn under way, as far as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The last log entry before the turn.
    pub after: Cursor,
    /// Its text so far.
    pub text: String,
}
