//! The writer: one task that owns the one connection which writes. It takes every command that waits, runs them in one
//! transaction, and answers each after the commit.
use agent_gateway_core::{
    Error, Result,
    execution::{Execution, Fence},
    id::ExecutionId,
};
use agent_gateway_sql::{Effect, Names, Statement, Value};
use sqlx::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use crate::{error::closed, row::Row};

mod batch;
mod bulk;
mod command;
mod create;
mod engine;
mod record;
mod texts;

pub(crate) use command::{Change, Entry, Recorded};
use command::{Command, Create, Program, Record, Reply};
use engine::Engine;

/// Commands that may wait; more callers wait for a place.
const WAITING: usize = 1024;
/// Commands that share one transaction.
const BATCH: usize = 256;

/// The way to the writer.
#[derive(Debug)]
pub(crate) struct Writer(mpsc::Sender<Command>);

impl Writer {
    /// Starts the writer. It ends when it is closed, or dropped and done.
    #[expect(
        clippy::disallowed_methods,
        reason = "a backend knows no task set; this task lives exactly as long as its backend"
    )]
    pub(crate) fn start(connection: SqliteConnection, names: Names) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(write(receiver, Engine::new(connection, names)));
        Self(sender)
    }

    /// `taken` tells what stops the execution when more than one thing can: see [`agent_gateway_sql::executions::taken`].
    pub(crate) async fn create(
        &self,
        execution: &Execution,
        row: Vec<Value>,
        taken: Option<Statement>,
    ) -> Result<()> {
        let owner = execution.user_id.as_ref().map_or("", |user| user.as_str());
        // Neither text holds a line break.
        let key = execution.idempotency.as_ref().map(|with| format!("{owner}\n{}", with.key).into());
        let (reply, answer) = Reply::new();
        let id = execution.id.as_str().into();
        self.send(Command::Create(Create { id, key, row, taken, reply }), answer).await
    }

    pub(crate) async fn record(&self, id: &ExecutionId, fence: Fence, change: Change) -> Result<Recorded> {
        let (reply, answer) = Reply::new();
        self.send(Command::Record(Record { id: id.as_str().into(), fence, change, reply }), answer).await
    }

    pub(crate) async fn program(&self, statements: Vec<Statement>) -> Result<Vec<Effect<Row>>> {
        let (reply, answer) = Reply::new();
        self.send(Command::Program(Program { statements, reply }), answer).await
    }

    pub(crate) async fn prepare(&self) -> Result<()> {
        let (reply, answer) = Reply::new();
        self.send(Command::Prepare(reply), answer).await
    }

    /// Returns when every accepted command is stored and the connection is closed.
    pub(crate) async fn close(&self) {
        let (sender, done) = oneshot::channel();
        if self.0.send(Command::Close(sender)).await.is_ok() {
            // A writer that ended without an answer is closed as well.
            let _ = done.await;
        }
    }

    async fn send<T>(&self, command: Command, answer: oneshot::Receiver<Result<T>>) -> Result<T> {
        self.0.send(command).await.map_err(|_| closed())?;
        answer.await.map_err(|_| Error::unavailable("the writer of the database has ended"))?
    }
}

async fn write(mut waiting: mpsc::Receiver<Command>, mut engine: Engine) {
    let mut closers = Vec::new();
    let mut commands = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut commands, BATCH).await > 0 {
        let (work, control): (Vec<_>, Vec<_>) = commands.drain(..).partition(Command::is_work);
        engine.run(work).await;
        for command in control {
            match command {
                Command::Close(_) => {
                    // What was accepted before this moment is still received, nothing more is accepted.
                    waiting.close();
                    closers.push(command);
                }
                command => engine.prepare(command).await,
            }
        }
    }
    engine.close().await;
    closers.into_iter().for_each(|closer| closer.settle(Ok(())));
}
