//! The schema: migrations that any prefix and schema can have, and what a database made by the reference lacks.
use sqlx::{
    AssertSqlSafe, SqlSafeStr,
    migrate::{Migration, MigrationType, Migrator},
};

use crate::Names;

pub mod adoption;

/// How an engine writes the types that differ.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    words: [(&'static str, &'static str); 7],
    steps: &'static str,
}

impl Dialect {
    /// SQLite: JSON and instants are texts.
    pub const SQLITE: Self = Self {
        words: [
            ("{json}", "TEXT"),
            ("{time}", "TEXT"),
            ("{flag}", "INTEGER"),
            ("{true}", "1"),
            ("{false}", "0"),
            ("{number}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("{clustered}", " WITHOUT ROWID"),
        ],
        steps: include_str!("0002_steps.sqlite.sql"),
    };
}

/// The migrations for these names. Each is safe on a database that the reference made, once [`adoption`] has been done.
#[must_use]
pub fn migrations(names: &Names, dialect: &Dialect) -> Migrator {
    let texts = [
        (1, "base tables", include_str!("0001_base.sql")),
        (2, "steps", dialect.steps),
        (3, "streams and recovery", include_str!("0003_streams.sql")),
    ];
    let migration = |(version, description, template): (i64, &'static str, &str)| {
        let typed =
            dialect.words.iter().fold(template.to_owned(), |text, (token, word)| text.replace(token, word));
        let sql = AssertSqlSafe(names.fill(&typed)).into_sql_str();
        Migration::new(version, description.into(), MigrationType::Simple, sql, false)
    };
    let mut migrator = Migrator::with_migrations(texts.into_iter().map(migration).collect());
    migrator.dangerous_set_table_name(names.migrations());
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_templates_is_filled_in() {
        let names = Names::new("gw_").unwrap();
        for migration in migrations(&names, &Dialect::SQLITE).iter() {
            let text = migration.sql.as_str().replace("'{}'", "");
            assert!(!text.contains(['{', '}']), "{text}");
        }
    }
}
