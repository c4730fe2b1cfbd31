//! What every task of a queue knows.
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{Error, Result, id::ExecutionId, ports::queue::Lease};
use sqlx::PgPool;
use tokio::{
    sync::{Notify, broadcast},
    time::Instant,
};
use uuid::Uuid;

use crate::{
    connect::STATEMENT_LIMIT,
    open::Member,
    statement::{Plan, Statement},
};

/// How many requests to stop a slow listener may lie behind before it misses some.
const CANCELLATIONS: usize = 1024;
/// The longest name of a channel, in bytes.
const CHANNEL_BYTES: usize = 63;

/// What the tasks of one queue share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) member: Member,
    pub(super) channels: Channels,
    /// Which of the processes this queue is: it need not be woken by what it did itself.
    pub(super) instance: String,
    /// Told when there may be a job, or something to give back.
    pub(super) wake: Notify,
    /// Told when another process says that there may be a job, as it says to every process.
    pub(super) notice: Notify,
    /// Leases that were made and reached nobody.
    unwanted: Mutex<Unwanted>,
    /// Gone once the queue is closed.
    cancellations: Mutex<Option<broadcast::Sender<ExecutionId>>>,
}

/// The channels of this schema and prefix. Two that are cut to the same name only wake each other for nothing.
#[derive(Debug)]
pub(super) struct Channels {
    /// There are jobs. The payload is the instance that knows already.
    pub(super) jobs: String,
    /// An execution is to stop. The payload is its id, a space, and the instance that knows already.
    pub(super) cancel: String,
}

/// Leases that nobody has.
#[derive(Debug, Default)]
pub(super) struct Unwanted {
    /// Those whose caller has gone away.
    pub(super) leases: Vec<Lease>,
    /// Those whose answer was lost.
    pub(super) lost: Vec<LostTake>,
}

/// A statement that took jobs and whose answer was lost. The server may still be at it.
#[derive(Clone, Debug)]
pub(super) struct LostTake {
    pub(super) token: String,
    /// When its jobs are given back: at once, and once more when the server has certainly come to its end.
    due: Instant,
    /// From when on nothing of it can come any more.
    over: Instant,
}

impl LostTake {
    pub(super) fn new(token: String) -> Self {
        let now = Instant::now();
        Self { token, due: now, over: now + STATEMENT_LIMIT + Duration::from_secs(1) }
    }

    /// The same for the second time, where this was the first.
    pub(super) fn again(self) -> Option<Self> {
        (self.due < self.over).then_some(Self { due: self.over, ..self })
    }
}

impl Shared {
    pub(super) fn new(member: Member) -> Self {
        let channel = |kind: &str| {
            let mut name = format!("agw_{kind}_{}_{}", member.schema(), member.names().bare_table(""));
            let end = (0..=CHANNEL_BYTES).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
            name.truncate(end);
            name
        };
        Self {
            channels: Channels { jobs: channel("jobs"), cancel: channel("cancel") },
            instance: Uuid::now_v7().to_string(),
            wake: Notify::new(),
            notice: Notify::new(),
            unwanted: Mutex::default(),
            cancellations: Mutex::new(Some(broadcast::Sender::new(CANCELLATIONS))),
            member,
        }
    }

    pub(super) fn pool(&self, operation: &'static str) -> Result<&PgPool> {
        self.member.pool(operation)
    }

    /// A statement of this queue.
    pub(super) fn statement(&self, operation: &'static str, plan: Plan, template: &str) -> Statement {
        Statement { operation, text: self.member.names().fill(template), plan }
    }

    /// Has these leases given back at once.
    pub(super) fn give_back(&self, unwanted: Unwanted) {
        self.keep_unwanted(unwanted);
        self.wake.notify_one();
    }

    /// Has these leases given back at the next opportunity.
    pub(super) fn keep_unwanted(&self, unwanted: Unwanted) {
        let mut all = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
        all.leases.extend(unwanted.leases);
        all.lost.extend(unwanted.lost);
    }

    /// Whether there are leases to give back.
    pub(super) fn has_unwanted(&self) -> bool {
        let all = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
        !all.leases.is_empty() || !all.lost.is_empty()
    }

    /// The leases to give back by now.
    pub(super) fn take_unwanted(&self) -> Unwanted {
        let mut all = self.unwanted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let lost = all.lost.extract_if(.., |lost| lost.due <= now).collect();
        Unwanted { leases: std::mem::take(&mut all.leases), lost }
    }

    /// A new listener, none once the queue is closed.
    pub(super) fn listen(&self) -> Option<broadcast::Receiver<ExecutionId>> {
        let cancellations = self.cancellations.lock().unwrap_or_else(PoisonError::into_inner);
        cancellations.as_ref().map(broadcast::Sender::subscribe)
    }

    /// Tells every listener.
    pub(super) fn cancelled(&self, id: ExecutionId) {
        if let Some(listeners) = &*self.cancellations.lock().unwrap_or_else(PoisonError::into_inner) {
            // An error only says that nobody listens.
            let _ = listeners.send(id);
        }
    }

    /// Sends every listener away.
    pub(super) fn silence(&self) {
        *self.cancellations.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a lease answers that has run out or was settled.
pub(super) fn lost(operation: &'static str, execution: impl std::fmt::Display) -> Error {
    Error::conflict("the lease has run out or was settled").during(operation).with("execution", execution)
}

/// A lease as the tables know it.
pub(super) fn key(lease: &Lease) -> (String, String) {
    (lease.execution_id().as_str().to_owned(), lease.token().to_owned())
}
