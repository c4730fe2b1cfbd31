//! The port between the writer and the one connection that a driver writes with.
use std::{fmt, future::Future, sync::Arc};

use agent_gateway_core::{Error, Result};

use crate::{Columns, Effect, Kind, Statement, Syntax, Value};

/// Writes in transactions, on one connection.
pub trait Driver: fmt::Debug + Send + 'static {
    /// A row of the driver.
    type Row: Columns + Send + 'static;

    /// How its statements are written.
    fn syntax(&self) -> Syntax;

    /// Begins a transaction.
    fn begin(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Stores what the transaction did. A failure says that nothing of it is stored, unless its error says that nobody
    /// knows.
    fn commit(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Ends a transaction that failed. There may be nothing left to undo.
    fn rollback(&mut self) -> impl Future<Output = ()> + Send;

    /// Runs one statement and collects what it did.
    fn run(
        &mut self,
        statement: &Statement,
    ) -> impl Future<Output = Result<Effect<Self::Row>, Failure>> + Send;

    /// Runs a statement of a [`Bulk`](crate::Bulk) with these rows, whose values are of these kinds.
    fn run_rows(
        &mut self,
        text: &Arc<str>,
        kinds: &[Kind],
        rows: &[&[Value]],
    ) -> impl Future<Output = Result<Effect<Self::Row>, Failure>> + Send;

    /// Makes the schema.
    fn prepare(&mut self) -> impl Future<Output = Result<()>> + Send;

    /// Closes the connection.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// What a failure of a driver means for its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One statement is at fault, so the other commands of the batch can go on without its command.
    Command,
    /// Something that passes came between, such as another transaction; nothing is stored, and repeating may help.
    Passing,
    /// Nothing can be written now.
    Everything,
}

/// A failure of a driver.
#[derive(Debug)]
pub struct Failure {
    /// How far it reaches.
    pub reach: Reach,
    /// What the callers hear.
    pub error: Error,
}

impl Failure {
    /// A stored value that cannot be read is the fault of one row.
    pub(super) fn unreadable(error: Error) -> Self {
        Self { reach: Reach::Command, error }
    }
}
