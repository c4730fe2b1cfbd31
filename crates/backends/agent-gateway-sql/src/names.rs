//! Names in SQL text. They cannot be bound, so they are checked when they are made.
use std::sync::Arc;

use agent_gateway_core::{Error, Result};

/// The longest prefix: with it, the longest index name stays under PostgreSQL's 63 bytes.
const MAX_PREFIX: usize = 24;

/// Where the tables are: a prefix of their names, and the schema that holds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    schema: String,
}

impl Names {
    /// Checks a table prefix: empty, or `[a-z_][a-z0-9_]*` of at most 24 bytes. Anything else is `Misconfigured`.
    pub fn new(prefix: &str) -> Result<Self> {
        if !prefix.is_empty() {
            check("table_prefix", prefix)?;
        }
        Ok(Self { prefix: prefix.to_owned(), schema: String::new() })
    }

    /// The same names in a schema, which follows the rule of the prefix, is not empty, and does not begin with `pg_`: such
    /// names PostgreSQL keeps for itself.
    pub fn in_schema(mut self, schema: &str) -> Result<Self> {
        check("schema", schema)?;
        if schema.starts_with("pg_") || schema == "information_schema" {
            return Err(Error::misconfigured("this schema is the database's own: name another one")
                .with("schema", schema));
        }
        // In quotes, because it may be a word of SQL.
        self.schema = format!("\"{schema}\".");
        Ok(self)
    }

    /// The name of a table or view of ours as SQL text writes it.
    #[must_use]
    pub fn table(&self, name: &str) -> String {
        format!("{}{}{name}", self.schema, self.prefix)
    }

    /// The table's name without its schema, as the catalog knows it.
    #[must_use]
    pub fn bare_table(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The name of the table that records which migrations ran.
    #[must_use]
    pub fn migrations(&self) -> String {
        self.table("agw_migrations")
    }

    /// The same names without quotes, as they were written when the first databases were made. Only to compare.
    pub(crate) fn unquoted(&self) -> Self {
        Self { prefix: self.prefix.clone(), schema: self.schema.replace('"', "") }
    }

    /// Fills a template: `{p}` becomes schema and prefix of a table, `{x}` the prefix inside an index name, `{s}` the schema
    /// before the name of an index that goes.
    #[must_use]
    pub fn fill(&self, template: &str) -> Arc<str> {
        let qualified = self.table("");
        template.replace("{p}", &qualified).replace("{x}", &self.prefix).replace("{s}", &self.schema).into()
    }
}

fn check(what: &'static str, text: &str) -> Result<()> {
    let head = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    let tail = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if head && tail && text.len() <= MAX_PREFIX {
        return Ok(());
    }
    Err(Error::misconfigured(
        "not a name that may stand in SQL: use lower-case letters, digits and `_`, at most 24, not starting with a digit",
    )
    .with(what, text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_follow_the_rule() {
        for good in ["", "a", "_", "gw_", "a1_"] {
            assert!(Names::new(good).is_ok(), "{good}");
        }
        for bad in ["1a", "A", "a-b", "a;", "a b", "\"", "ä", &"a".repeat(25)] {
            assert!(Names::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_name_schema_and_prefix() {
        let names = Names::new("gw_").unwrap().in_schema("main").unwrap();
        assert_eq!(&*names.fill("{p}users ix_{x}users {s}i"), "\"main\".gw_users ix_gw_users \"main\".i");
        assert_eq!(names.migrations(), "\"main\".gw_agw_migrations");
        assert!(Names::default().in_schema("pg_mine").is_err());
        assert!(Names::default().in_schema("").is_err());
    }
}
