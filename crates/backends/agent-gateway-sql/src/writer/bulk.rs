//! One statement for many rows.
use std::sync::Arc;

use crate::{Kind, Names, Syntax, Value};

/// The numbers of rows for which SQLite has a text. Each text is prepared once; a smaller number of rows leaves the rest of
/// the placeholders unbound, which are null and filtered out by the statement.
const SIZES: [usize; 4] = [1, 4, 16, 64];
/// The most rows of one statement where the placeholders are arrays, one for each column.
const MOST: usize = 256;

/// A statement that takes rows of the same columns.
#[derive(Debug)]
pub struct Bulk {
    kinds: Vec<Kind>,
    texts: Vec<(usize, Arc<str>)>,
}

/// How a statement names the rows that it takes. Their columns are `column1`, `column2`, …
#[derive(Debug)]
pub struct Given {
    syntax: Syntax,
    list: String,
    columns: usize,
}

impl Given {
    /// The rows as a table of this name.
    pub(super) fn table(&self, name: &str) -> String {
        match self.syntax {
            Syntax::Sqlite => format!("({}) AS {name}", self.list),
            Syntax::Postgres => {
                let columns: Vec<String> =
                    (1..=self.columns).map(|number| format!("column{number}")).collect();
                format!("{} AS {name} ({})", self.list, columns.join(", "))
            }
        }
    }

    /// Whether a column has one of the given values, where there is one column.
    pub(super) fn has(&self, column: &str) -> String {
        match self.syntax {
            Syntax::Sqlite => format!("{column} IN ({})", self.list),
            Syntax::Postgres => format!("{column} = ANY ($1)"),
        }
    }
}

impl Bulk {
    /// `template` makes the statement around the rows.
    pub fn new(names: &Names, syntax: Syntax, kinds: &[Kind], template: impl Fn(&Given) -> String) -> Self {
        let text = |size: usize| {
            let given = Given { syntax, list: list(syntax, kinds.len(), size), columns: kinds.len() };
            (size, names.fill(&template(&given)))
        };
        let texts = match syntax {
            Syntax::Sqlite => SIZES.map(text).into(),
            Syntax::Postgres => vec![text(MOST)],
        };
        Self { kinds: kinds.to_vec(), texts }
    }

    /// What the values of a row are.
    pub(super) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The statements that take these rows, each with the rows that it takes.
    pub(super) fn statements<'r, 'v>(
        &self,
        rows: &'r [&'v [Value]],
    ) -> impl Iterator<Item = (&Arc<str>, &'r [&'v [Value]])> {
        let largest = self.texts.last().map_or(1, |(size, _)| *size);
        rows.chunks(largest).filter_map(|chunk| {
            let (_, text) = self.texts.iter().find(|(size, _)| *size >= chunk.len())?;
            Some((text, chunk))
        })
    }
}

/// The rows as SQL text. SQLite's placeholders have no numbers, because it looks a numbered one up in a list that is as long
/// as there are placeholders.
fn list(syntax: Syntax, columns: usize, rows: usize) -> String {
    match syntax {
        Syntax::Sqlite => {
            let row = format!("({})", vec!["?"; columns].join(", "));
            format!("VALUES {}", vec![row.as_str(); rows].join(", "))
        }
        Syntax::Postgres => {
            let places: Vec<String> = (1..=columns).map(|number| format!("${number}")).collect();
            format!("UNNEST ({})", places.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(syntax: Syntax) -> Bulk {
        let names = Names::new("q_").unwrap();
        Bulk::new(&names, syntax, &[Kind::Text, Kind::Int], |given| {
            format!("INSERT INTO {{p}}t SELECT * FROM {}", given.table("new"))
        })
    }

    fn taken(bulk: &Bulk, rows: usize) -> Vec<(String, usize)> {
        let row: &[Value] = &[Value::Null, Value::Null];
        let rows = vec![row; rows];
        bulk.statements(&rows).map(|(text, rows)| (text.to_string(), rows.len())).collect()
    }

    #[test]
    fn sqlite_has_a_text_for_some_numbers_of_rows() {
        let bulk = bulk(Syntax::Sqlite);
        assert_eq!(
            taken(&bulk, 3),
            [("INSERT INTO q_t SELECT * FROM (VALUES (?, ?), (?, ?), (?, ?), (?, ?)) AS new".to_owned(), 3)]
        );
        assert_eq!(taken(&bulk, 0), []);
        assert_eq!(taken(&bulk, 130).iter().map(|(_, rows)| *rows).collect::<Vec<_>>(), [64, 64, 2]);
    }

    #[test]
    fn postgres_has_one_text_for_all() {
        let bulk = bulk(Syntax::Postgres);
        let text = "INSERT INTO q_t SELECT * FROM UNNEST ($1, $2) AS new (column1, column2)".to_owned();
        assert_eq!(taken(&bulk, 3), [(text.clone(), 3)]);
        assert_eq!(taken(&bulk, 300), [(text.clone(), 256), (text, 44)]);
    }
}
