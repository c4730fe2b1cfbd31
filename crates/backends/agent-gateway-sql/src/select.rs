//! Lists: filters become conditions with bound values.
use agent_gateway_core::principal::Visibility;

use crate::{Names, Statement, Value};

/// A `SELECT` whose conditions are all joined by `AND`. Every `?` of a condition takes the next value.
#[derive(Debug)]
pub(crate) struct Select {
    text: String,
    args: Vec<Value>,
}

impl Select {
    /// `head` is everything before `WHERE`.
    pub(crate) fn new(head: &str) -> Self {
        Self { text: head.to_owned(), args: Vec::new() }
    }

    /// Keeps rows for which the condition holds.
    pub(crate) fn filter(mut self, condition: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.text.push_str(if self.text.contains(" WHERE ") { " AND " } else { " WHERE " });
        let mut values = values.into_iter();
        let mut pieces = condition.split('?');
        self.text.push_str(pieces.next().unwrap_or_default());
        for (value, piece) in values.by_ref().zip(pieces) {
            self.args.push(value);
            self.text.push('$');
            self.text.push_str(&self.args.len().to_string());
            self.text.push_str(piece);
        }
        self
    }

    /// Keeps rows for which the condition holds, where there is something to ask for.
    pub(crate) fn filter_some(self, condition: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.filter(condition, [value.into()]),
            None => self,
        }
    }

    /// Keeps rows that `who` may read.
    pub(crate) fn visible(self, condition: &str, who: &Visibility) -> Self {
        self.filter_some(condition, who.owner().map(|owner| owner.as_str()))
    }

    /// One row more than the page holds, in the list's order.
    pub(crate) fn page(self, names: &Names, order: &str, limit: u32) -> Statement {
        self.first(names, order, i64::from(limit) + 1)
    }

    /// The first `rows` rows of the order.
    pub(crate) fn first(mut self, names: &Names, order: &str, rows: i64) -> Statement {
        self.args.push(Value::Int(rows));
        let text = format!("{} ORDER BY {order} LIMIT ${}", self.text, self.args.len());
        Statement::new(names, &text, self.args)
    }

    /// Without order and limit.
    pub(crate) fn all(self, names: &Names) -> Statement {
        Statement::new(names, &self.text, self.args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_numbered_and_bound() {
        let statement = Select::new("SELECT 1 FROM {p}t")
            .filter_some("a = ?", Some("x"))
            .filter_some("b = ?", None::<&str>)
            .filter("(c, d) < (?, ?)", ["y".into(), 7.into()])
            .page(&Names::new("q_").unwrap(), "c DESC", 10);
        assert_eq!(
            &*statement.text,
            "SELECT 1 FROM q_t WHERE a = $1 AND (c, d) < ($2, $3) ORDER BY c DESC LIMIT $4"
        );
        assert_eq!(statement.args, ["x".into(), "y".into(), 7.into(), Value::Int(11)]);
    }
}
