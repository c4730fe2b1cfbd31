//! What the engines write differently in the statements that they share.
/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// SQLite: one transaction writes at a time.
    Sqlite,
    /// PostgreSQL: rows are locked.
    Postgres,
}

impl Syntax {
    /// Behind a `SELECT`: its rows stay as they are until the transaction ends.
    #[must_use]
    pub fn lock(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// The same, without the rows that another transaction holds.
    #[must_use]
    pub fn lock_free(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }
}
