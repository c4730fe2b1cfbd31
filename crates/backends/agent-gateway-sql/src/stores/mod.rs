//! The stores whose writes are rare enough for one statement at a time.
use std::sync::Arc;

use agent_gateway_core::{Error, Result};

use crate::{Columns, Database, Effect, RowExt};

mod analytics;
mod approvals;
mod audit;
mod connections;
mod conversations;
mod deliveries;
mod executions;
mod schedules;
mod users;

pub use executions::{Executions, Grouped};

/// Every store but the one of executions, over one database.
#[derive(Debug)]
pub struct Stores<D>(Arc<D>);

impl<D: Database> Stores<D> {
    /// The stores of this database.
    #[must_use]
    pub fn new(database: Arc<D>) -> Self {
        Self(database)
    }

    async fn write_one(&self, statement: crate::Statement) -> Result<Effect<D::Row>> {
        let effects = self.0.write(vec![statement]).await?;
        effects.into_iter().next().ok_or_else(no_effect)
    }
}

/// How many rows the statement at `place` changed.
fn affected<R>(effects: &[Effect<R>], place: usize) -> Result<u64> {
    Ok(effects.get(place).ok_or_else(no_effect)?.affected)
}

/// The number that the statement at `place` selected, `None` when it found no row.
fn selected<R: Columns>(effects: &[Effect<R>], place: usize, column: &'static str) -> Result<Option<u64>> {
    let rows = &effects.get(place).ok_or_else(no_effect)?.rows;
    rows.first().map(|row| row.count(column)).transpose()
}

fn no_effect() -> Error {
    Error::unexpected("the driver did not say what a statement did")
}
