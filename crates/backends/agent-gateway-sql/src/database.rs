//! The small port between the stores and a driver.
use std::fmt;

use agent_gateway_core::Result;
use async_trait::async_trait;

use crate::{Columns, Names, Statement, Syntax};

/// Runs statements on one engine.
#[async_trait]
pub trait Database: fmt::Debug + Send + Sync + 'static {
    /// A row of the driver.
    type Row: Columns + Send + 'static;

    /// Where the tables are.
    fn names(&self) -> &Names;

    /// How its statements are written.
    fn syntax(&self) -> Syntax;

    /// The rows that a reading statement selects.
    async fn read(&self, statement: Statement) -> Result<Vec<Self::Row>>;

    /// Runs the statements in order, all or none, and answers what each did. No other write comes between them.
    async fn write(&self, statements: Vec<Statement>) -> Result<Vec<Effect<Self::Row>>>;
}

/// What a statement did.
#[derive(Debug)]
pub struct Effect<R> {
    /// How many rows it inserted, updated or deleted.
    pub affected: u64,
    /// The rows that it selected or returned.
    pub rows: Vec<R>,
}
