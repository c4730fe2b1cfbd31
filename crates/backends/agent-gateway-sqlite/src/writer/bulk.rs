//! One statement for many rows.
use std::sync::Arc;

use agent_gateway_sql::Value;
use sqlx::sqlite::SqliteArguments;

use crate::row::bind;

/// The numbers of rows for which there is a text. Each text is prepared once; a smaller number of rows leaves the rest of
/// the placeholders unbound, which are null and filtered out by the statement.
const SIZES: [usize; 4] = [1, 4, 16, 64];

/// A statement that takes rows of the same columns.
#[derive(Debug)]
pub(super) struct Bulk {
    texts: [(usize, Arc<str>); SIZES.len()],
}

impl Bulk {
    /// `text` makes the statement around `(?, …), (?, …)`, rows of `columns` placeholders.
    ///
    /// They have no numbers, because SQLite looks a numbered one up in a list that is as long as there are placeholders.
    pub(super) fn new(columns: usize, text: impl Fn(&str) -> Arc<str>) -> Self {
        let row = format!("({})", vec!["?"; columns].join(", "));
        Self { texts: SIZES.map(|size| (size, text(&vec![row.as_str(); size].join(", ")))) }
    }

    /// The statements that take these rows.
    pub(super) fn statements(
        &self,
        rows: &[&[Value]],
    ) -> Result<Vec<(Arc<str>, SqliteArguments)>, sqlx::Error> {
        let largest = SIZES.len() - 1;
        let statement = |chunk: &[&[Value]]| {
            let fitting = self.texts.iter().position(|(size, _)| *size >= chunk.len());
            let (_, text) = &self.texts[fitting.unwrap_or(largest)];
            let mut args = SqliteArguments::default();
            for value in chunk.iter().copied().flatten() {
                bind(&mut args, value)?;
            }
            Ok((text.clone(), args))
        };
        rows.chunks(SIZES[largest]).map(statement).collect()
    }
}
