//! The writer: tasks that each own a connection which writes. A task takes every command that waits for it, runs them in one
//! transaction, and answers each after the commit. What is written for one execution always goes through the same task, so
//! it happens in the order in which it came.
use std::{
    fmt,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::atomic::{AtomicUsize, Ordering},
};

use agent_gateway_core::{
    Error, Result, Retry,
    execution::{Execution, Fence},
    id::ExecutionId,
};
use tokio::sync::{mpsc, oneshot};

use crate::{Effect, Names, Statement, Value};

mod batch;
mod bulk;
mod command;
mod create;
mod driver;
mod engine;
mod record;
mod texts;

pub use bulk::{Bulk, Given};
pub use command::{Change, Entry, Recorded};
use command::{Command, Create, Program, Record, Reply};
pub use driver::{Driver, Failure, Reach};
use engine::Engine;

/// Commands that may wait for a task; more callers wait for a place.
const WAITING: usize = 1024;
/// Commands that share one transaction.
const BATCH: usize = 256;

/// The way to the tasks that write.
pub struct Writer<R> {
    tasks: Vec<mpsc::Sender<Command<R>>>,
    /// Counts the programs, which take turns among the tasks.
    programs: AtomicUsize,
}

impl<R> fmt::Debug for Writer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl<R: Send + 'static> Writer<R> {
    /// Starts a task for each driver. They end when the writer is closed, or dropped and done.
    #[expect(
        clippy::disallowed_methods,
        reason = "a backend knows no task set; these tasks live exactly as long as their backend"
    )]
    pub fn start<D: Driver<Row = R>>(drivers: impl IntoIterator<Item = D>, names: &Names) -> Self {
        let start = |driver| {
            let (sender, receiver) = mpsc::channel(WAITING);
            tokio::spawn(write(receiver, Engine::new(driver, names)));
            sender
        };
        Self { tasks: drivers.into_iter().map(start).collect(), programs: AtomicUsize::new(0) }
    }

    /// Stores an execution. `taken` tells what stops it when more than one thing can: see
    /// [`executions::taken`](crate::executions::taken).
    pub async fn create(
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
        let create = Command::Create(Create { id, key, row, taken, reply });
        self.send(self.place_of(&execution.id), create, answer).await
    }

    /// Changes a stored execution.
    pub async fn record(&self, id: &ExecutionId, fence: Fence, change: Change) -> Result<Recorded> {
        let (reply, answer) = Reply::new();
        let record = Command::Record(Record { id: id.as_str().into(), fence, change, reply });
        self.send(self.place_of(id), record, answer).await
    }

    /// Runs statements, all or none.
    pub async fn program(&self, statements: Vec<Statement>) -> Result<Vec<Effect<R>>> {
        let (reply, answer) = Reply::new();
        let place = self.programs.fetch_add(1, Ordering::Relaxed);
        self.send(place, Command::Program(Program { statements, reply }), answer).await
    }

    /// Makes the schema.
    pub async fn prepare(&self) -> Result<()> {
        let (reply, answer) = Reply::new();
        self.send(0, Command::Prepare(reply), answer).await
    }

    /// Returns when every accepted command is stored and the connections are closed.
    pub async fn close(&self) {
        for task in &self.tasks {
            let (sender, done) = oneshot::channel();
            if task.send(Command::Close(sender)).await.is_ok() {
                // A task that ended without an answer is closed as well.
                let _ = done.await;
            }
        }
    }

    fn place_of(&self, id: &ExecutionId) -> usize {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(id.as_str());
        // Only the remainder counts.
        usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
    }

    async fn send<T>(
        &self,
        place: usize,
        command: Command<R>,
        answer: oneshot::Receiver<Result<T>>,
    ) -> Result<T> {
        let task = self.tasks.get(place % self.tasks.len().max(1)).ok_or_else(closed)?;
        task.send(command).await.map_err(|_| closed())?;
        answer.await.map_err(|_| Error::unavailable("the writer of the database has ended"))?
    }
}

/// What every call after `close` answers.
#[must_use]
pub fn closed() -> Error {
    Error::unavailable("the database is closed").retry_as(Retry::Never)
}

async fn write<D: Driver>(mut waiting: mpsc::Receiver<Command<D::Row>>, mut engine: Engine<D>) {
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
