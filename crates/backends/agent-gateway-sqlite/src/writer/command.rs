//! What the writer is asked to do.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result,
    execution::{Cursor, ExecutionStatus, Fence},
};
use agent_gateway_sql::{Effect, Said, Statement, Value};
use tokio::sync::oneshot;

use crate::{error::copy, row::Row};

/// One command of a batch. It can be run again after a rollback.
#[derive(Debug)]
pub(super) enum Command {
    Create(Create),
    Record(Record),
    Program(Program),
    Prepare(Reply<()>),
    Close(oneshot::Sender<()>),
}

/// A new execution.
#[derive(Debug)]
pub(super) struct Create {
    pub(super) id: Arc<str>,
    /// The owner and the idempotency key in one text, where there is a key.
    pub(super) key: Option<Arc<str>>,
    pub(super) row: Vec<Value>,
    /// Whether id or key stop it, for a turn of a conversation, which another turn may stop too.
    pub(super) taken: Option<Statement>,
    pub(super) reply: Reply<()>,
}

/// A change of a stored execution or of its log.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: Arc<str>,
    pub(super) fence: Fence,
    pub(super) change: Change,
    pub(super) reply: Reply<Recorded>,
}

/// What changes.
#[derive(Debug)]
pub(crate) enum Change {
    /// A new attempt: id, fence, process, instant.
    Start { fence: Fence, row: Vec<Value> },
    /// The end of the run, and what it adds to its conversation.
    Finish { row: Vec<Value>, entries: Vec<Entry>, said: Option<Said> },
    /// More of the log.
    Append { entries: Vec<Entry> },
    /// A piece of the turn behind this place.
    Draft { after: Cursor, row: Vec<Value> },
}

/// One entry of the run log.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: Cursor,
    pub(crate) row: Vec<Value>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Recorded {
    /// It is stored, and the log ends here.
    Applied(Cursor),
    /// The execution is in this state.
    Refused { status: ExecutionStatus, fence: Fence },
    /// There is no such execution.
    Unknown,
}

/// Statements that happen all or not at all.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) statements: Vec<Statement>,
    pub(super) reply: Reply<Vec<Effect<Row>>>,
}

/// The answer to a command, which leaves after the commit.
#[derive(Debug)]
pub(super) struct Reply<T> {
    sender: oneshot::Sender<Result<T>>,
    outcome: Option<Result<T>>,
}

impl<T> Reply<T> {
    pub(super) fn new() -> (Self, oneshot::Receiver<Result<T>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, outcome: None }, receiver)
    }

    /// Notes what to answer if the batch is committed.
    pub(super) fn set(&mut self, outcome: Result<T>) {
        self.outcome = Some(outcome);
    }

    /// Answers. A caller that has gone away is no fault.
    fn settle(self, committed: Result<(), &Error>) {
        let answer = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(Error::unexpected("the writer forgot a command")),
            (Err(error), _) => Err(copy(error)),
        };
        let _ = self.sender.send(answer);
    }
}

impl Command {
    /// Answers the caller.
    pub(super) fn settle(self, committed: Result<(), &Error>) {
        match self {
            Self::Create(create) => create.reply.settle(committed),
            Self::Record(record) => record.reply.settle(committed),
            Self::Program(program) => program.reply.settle(committed),
            Self::Prepare(reply) => reply.settle(committed),
            Self::Close(sender) => drop(sender.send(())),
        }
    }

    /// Whether it belongs into a transaction with others.
    pub(super) fn is_work(&self) -> bool {
        !matches!(self, Self::Prepare(_) | Self::Close(_))
    }
}
