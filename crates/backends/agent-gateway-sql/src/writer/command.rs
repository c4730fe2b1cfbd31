//! What the writer is asked to do.
use std::sync::Arc;

use agent_gateway_core::{
    Error, Result,
    execution::{Cursor, ExecutionStatus, Fence},
};
use tokio::sync::oneshot;

use crate::{Effect, Said, Statement, Value};

/// One command of a batch. It can be run again after a rollback.
#[derive(Debug)]
pub(super) enum Command<R> {
    Create(Create),
    Record(Record),
    Program(Program<R>),
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

/// What changes of an execution. Its rows are made by the caller, so that the writer only binds them.
#[derive(Debug)]
pub enum Change {
    /// A new attempt.
    Start {
        /// Its fence.
        fence: Fence,
        /// Id, fence, process, instant.
        row: Vec<Value>,
    },
    /// The run comes to rest.
    Suspend {
        /// See [`executions::suspend_row`](crate::executions::suspend_row).
        row: Vec<Value>,
        /// The end of the log until now.
        entries: Vec<Entry>,
        /// What it waits for. See [`approvals::row`](crate::approvals::row).
        approvals: Vec<Vec<Value>>,
    },
    /// What the run waited for is there.
    Resume {
        /// Id, process.
        row: Vec<Value>,
    },
    /// The end of the run, and what it adds to its conversation.
    Finish {
        /// See [`executions::finish_row`](crate::executions::finish_row).
        row: Vec<Value>,
        /// The end of the log.
        entries: Vec<Entry>,
        /// What joins the conversation.
        said: Option<Said>,
    },
    /// More of the log.
    Append {
        /// In order.
        entries: Vec<Entry>,
    },
    /// A piece of the turn behind this place.
    Draft {
        /// The entry before the turn.
        after: Cursor,
        /// See [`drafts::piece_row`](crate::drafts::piece_row).
        row: Vec<Value>,
    },
}

/// One entry of the run log.
#[derive(Debug)]
pub struct Entry {
    /// Its place in the log.
    pub place: Cursor,
    /// See [`log::entry_row`](crate::log::entry_row).
    pub row: Vec<Value>,
}

/// What became of a change.
#[derive(Clone, Copy, Debug)]
pub enum Recorded {
    /// It is stored, and the log ends here.
    Applied(Cursor),
    /// The execution is in this state.
    Refused {
        /// Its status.
        status: ExecutionStatus,
        /// The fence of its attempt.
        fence: Fence,
    },
    /// There is no such execution.
    Unknown,
}

/// Statements that happen all or not at all.
#[derive(Debug)]
pub(super) struct Program<R> {
    pub(super) statements: Vec<Statement>,
    pub(super) reply: Reply<Vec<Effect<R>>>,
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
            (Err(error), _) => Err(error.copy()),
        };
        let _ = self.sender.send(answer);
    }
}

impl<R> Command<R> {
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
