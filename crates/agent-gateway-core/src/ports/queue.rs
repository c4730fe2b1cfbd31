//! The queue of detached executions. Delivery is at least once; a lease is a fencing token.
use std::{fmt, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{
    Result, Timestamp,
    capability::{BackendInfo, QueueCapability},
    id::ExecutionId,
};

/// What a worker needs to find its work. The request itself is in the execution's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Job {
    /// The execution to run.
    pub execution_id: ExecutionId,
    /// When it was accepted.
    pub enqueued_at: Timestamp,
}

impl Job {
    /// A job for `execution_id`.
    #[must_use]
    pub fn new(execution_id: ExecutionId, enqueued_at: Timestamp) -> Self {
        Self { execution_id, enqueued_at }
    }
}

/// What a worker asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseRequest {
    /// The worker's name, unique among processes.
    pub worker: String,
    /// How many jobs at most.
    pub count: usize,
    /// How long to wait for the first one.
    pub wait: Duration,
    /// How long the jobs are the worker's before others may take them.
    pub visibility: Duration,
}

/// A job and the right to settle it.
#[derive(Debug)]
pub struct Leased {
    /// The work.
    pub job: Job,
    /// The right to settle it.
    pub lease: Lease,
    /// How often the job was handed out, this time included.
    pub delivery: u32,
}

/// The right to settle one delivery. It cannot be cloned: completing or releasing consumes it.
#[derive(Debug, PartialEq, Eq)]
pub struct Lease {
    execution_id: ExecutionId,
    token: String,
}

impl Lease {
    /// A lease that only the queue can read.
    pub fn new(execution_id: ExecutionId, token: impl Into<String>) -> Self {
        Self { execution_id, token: token.into() }
    }

    /// The execution that it is about.
    #[must_use]
    pub fn execution_id(&self) -> &ExecutionId {
        &self.execution_id
    }

    /// What the queue wrote into it.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// What becomes of a job that a worker gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redelivery {
    /// At once.
    Now,
    /// After this time.
    After(Duration),
    /// Never: it goes where dead jobs go, with this reason.
    Dead(String),
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that could be leased now.
    pub ready: u64,
    /// Jobs that wait for their time.
    pub delayed: u64,
    /// Jobs under a lease.
    pub leased: u64,
    /// Jobs given up.
    pub dead: u64,
}

/// Hands accepted executions to workers.
#[async_trait]
pub trait ExecutionQueue: fmt::Debug + Send + Sync + 'static {
    /// Name, version and place; never a credential. Does not block.
    fn info(&self) -> BackendInfo;

    /// Plain facts. Does not block.
    fn capability(&self) -> QueueCapability;

    /// Creates what it needs. Safe to repeat, and safe when several processes do it at once.
    async fn prepare(&self) -> Result<()>;

    /// Accepts a job: once this answers `Ok`, the job is delivered at least once.
    ///
    /// - A full queue is `RateLimited`, a job over `max_payload` is `TooLarge`; neither is accepted.
    async fn enqueue(&self, job: &Job) -> Result<()>;

    /// Takes jobs, waiting for the first one.
    ///
    /// - Jobs come in the order they were accepted, redelivered ones excepted.
    /// - Two leases never hold the same job at the same time.
    /// - When nothing comes in `wait`, the list is empty.
    /// - Dropping the future takes nothing.
    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>>;

    /// Keeps the lease for `by` from now. A lease that has run out, or was settled, is `Conflict`.
    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()>;

    /// Settles a job for good: it is never delivered again. A lease that has run out is `Conflict`, and the job stays.
    async fn complete(&self, lease: Lease) -> Result<()>;

    /// Gives a job back. A lease that has run out is `Conflict`, and changes nothing.
    ///
    /// - A delay over the capability's `longest_delay` is `Unsupported`.
    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()>;

    /// Tells every worker to stop this execution. Nobody needs to be listening.
    async fn request_cancel(&self, id: &ExecutionId) -> Result<()>;

    /// Requests to stop made from now on, pushed. A listener that falls behind may miss some; the store's status is the truth.
    fn cancellations(&self) -> BoxStream<'static, ExecutionId>;

    /// How much waits, approximately.
    async fn depth(&self) -> Result<Depth>;

    /// Ends what is open and wakes every waiting `lease`. Later calls are `Unavailable`. Safe to repeat.
    async fn close(&self) -> Result<()>;
}
