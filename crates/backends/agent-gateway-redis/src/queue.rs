//! The queue: a stream whose entries are leased, and one task in each process that takes jobs for all who wait.
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::{
    Error, Result,
    capability::{BackendInfo, Durability, QueueCapability},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};
use async_trait::async_trait;
use deadpool_redis::redis::{self, FromRedisValue, ScriptInvocation};
use futures::{StreamExt, stream, stream::BoxStream};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use uuid::Uuid;

use self::{
    dispatch::{Dispatcher, MAX_DEAD, WAITERS, Waiter},
    entry::{MAX_PAYLOAD, cancel_message},
    keys::Keys,
};
use crate::{
    Redis,
    connect::{Ask, Attempt},
    error::convert,
    script::{BURY, COMPLETE, DEPTH, ENQUEUE, EXTEND, PREPARE, RELEASE},
};

mod cancel;
mod dispatch;
mod entry;
mod keys;
mod sweep;

pub(crate) use keys::millis;

/// The longest delay of a redelivery.
const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest reason of a dead job, in bytes.
const MAX_REASON: usize = 4096;
/// What stands for an endless wait.
const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long closing waits for what is under way.
const CLOSING: Duration = Duration::from_secs(5);

/// The queue of detached executions on a Redis stream.
///
/// A job is one entry of the stream, read through the consumer group, so that `XPENDING` shows who has it and how often it was
/// handed out. Beside the stream there are: `{<stream>}:leases` and `:delayed`, sorted by the time at which a lease ends or a
/// delay is over; `:ids`, from executions to their entries, so that none is queued twice; `:bell`, a list of one element at
/// which waiting processes block; `:dead`, a stream of the last 10 000 jobs given up and of entries that are no jobs, each with
/// its `reason`; and the channel `:cancel`. All times are those of the server's clock. A settled job leaves nothing behind.
///
/// Jobs and redelivered jobs stand in one line, by the time since when they could be taken. A queue that is dropped without
/// [`close`](ExecutionQueue::close) ends its tasks by itself.
#[derive(Debug)]
pub struct RedisQueue {
    redis: Redis,
    keys: Arc<Keys>,
    waiters: mpsc::Sender<Waiter>,
    closed: watch::Sender<bool>,
    /// The listeners of this process; none after closing.
    listeners: Mutex<Option<broadcast::Sender<cancel::Request>>>,
    /// The name and the count of this handle's own requests to stop.
    speaker: String,
    asked: AtomicU64,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl RedisQueue {
    pub(crate) async fn open(redis: Redis) -> Result<Self> {
        let keys = Arc::new(Keys::new(&redis.inner.config)?);
        check_stream(&redis, &keys.stream).await?;
        let messages = cancel::subscribe(&redis, &keys.cancel)
            .await
            .map_err(|error| convert("redis.open", error).with("channel", &keys.cancel))?;
        let (waiters, incoming) = mpsc::channel(WAITERS);
        let (closed, is_closed) = watch::channel(false);
        let listeners = broadcast::Sender::new(cancel::BUFFER);
        let speaker = Uuid::now_v7().simple().to_string();
        let listening = cancel::listen(
            redis.clone(),
            keys.cancel.clone(),
            speaker.clone(),
            messages,
            listeners.clone(),
            is_closed.clone(),
        );
        let dispatcher = Dispatcher::new(redis.clone(), keys.clone(), incoming, is_closed);
        let tasks = vec![spawn(listening), spawn(dispatcher.run())];
        Ok(Self {
            redis,
            keys,
            waiters,
            closed,
            listeners: Mutex::new(Some(listeners)),
            speaker,
            asked: AtomicU64::new(0),
            tasks: Mutex::new(tasks),
        })
    }

    fn check_open(&self, operation: &'static str) -> Result<()> {
        if *self.closed.borrow() { Err(closed(operation)) } else { Ok(()) }
    }

    async fn ask<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T> {
        self.check_open(operation)?;
        self.redis.inner.connections.ask(operation, &Ask::Script(script)).await
    }

    /// A script that ends a lease and answers whether it was held.
    async fn end_lease(&self, lease: &Lease, script: &ScriptInvocation<'_>) -> Result<()> {
        const OPERATION: &str = "redis.release";
        self.check_open(OPERATION)?;
        let ask = Ask::Script(script);
        match self.redis.inner.connections.ask_tracked::<i64>(OPERATION, &ask).await? {
            (1, _) => Ok(()),
            // The first attempt may have ended it.
            (_, Attempt::Second) => Err(Error::unavailable(
                "the connection to Redis broke while the job was released; it may have been done",
            )
            .during(OPERATION)
            .with("execution", lease.execution_id())),
            (_, Attempt::First) => Err(lost(OPERATION, lease)),
        }
    }

    /// A script about a lease that answers whether it was held.
    async fn settle(
        &self,
        operation: &'static str,
        lease: &Lease,
        script: &ScriptInvocation<'_>,
    ) -> Result<()> {
        if self.ask::<i64>(operation, script).await? == 1 { Ok(()) } else { Err(lost(operation, lease)) }
    }
}

impl Drop for RedisQueue {
    fn drop(&mut self) {
        self.closed.send_replace(true);
    }
}

async fn check_stream(redis: &Redis, stream: &str) -> Result<()> {
    let mut command = redis::cmd("TYPE");
    command.arg(stream);
    let ask = Ask::Command(&command);
    let found: String = redis.inner.connections.ask("redis.open", &ask).await?;
    match found.as_str() {
        "none" | "stream" => Ok(()),
        _ => Err(Error::misconfigured(
            "the key of the queue's stream holds something else: name another stream_key or database",
        )
        .during("redis.open")
        .with("stream_key", stream)
        .with("type", found)),
    }
}

#[expect(clippy::disallowed_methods, reason = "the queue ends its own tasks when it is closed or dropped")]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

/// What every call after closing answers.
fn closed(operation: &'static str) -> Error {
    Error::unavailable("the queue is closed").during(operation)
}

fn lost(operation: &'static str, lease: &Lease) -> Error {
    Error::conflict("the lease has run out or was settled")
        .during(operation)
        .with("execution", lease.execution_id())
}

fn written(job: &Job) -> Result<Vec<u8>> {
    let written = serde_json::to_vec(job).map_err(|error| {
        Error::unexpected("a job cannot be written as JSON").during("redis.enqueue").caused_by(error)
    })?;
    if written.len() > MAX_PAYLOAD {
        return Err(Error::too_large("the job is too large")
            .during("redis.enqueue")
            .with("bytes", written.len())
            .with("limit", MAX_PAYLOAD));
    }
    Ok(written)
}

#[async_trait]
impl ExecutionQueue for RedisQueue {
    fn info(&self) -> BackendInfo {
        self.redis.info()
    }

    fn capability(&self) -> QueueCapability {
        QueueCapability::new(Durability::Durable, LONGEST_DELAY, MAX_PAYLOAD)
    }

    async fn prepare(&self) -> Result<()> {
        self.ask::<i64>("redis.prepare", &self.keys.script(&PREPARE)).await?;
        sweep::sweep(&self.redis, &self.keys).await
    }

    async fn enqueue(&self, job: &Job) -> Result<()> {
        let capacity = self.redis.inner.config.capacity;
        let mut script = self.keys.script(&ENQUEUE);
        script.arg(job.execution_id.as_str()).arg(written(job)?).arg(capacity);
        match self.ask("redis.enqueue", &script).await? {
            2 => Err(Error::rate_limited("the queue is full")
                .during("redis.enqueue")
                .with("capacity", capacity)),
            // Accepted, or queued already and not yet settled.
            1 | 0 => Ok(()),
            other => Err(Error::unexpected("the queue answered something unknown")
                .during("redis.enqueue")
                .with("answer", other)),
        }
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        self.check_open("redis.lease")?;
        if request.count == 0 {
            return Ok(Vec::new());
        }
        let end = Instant::now() + request.wait.min(LONGEST_WAIT);
        let (answer, taken) = oneshot::channel();
        let mut is_closed = self.closed.subscribe();
        // Dropped before or after the answer came: what it holds goes back by itself.
        let answered = async {
            self.waiters.send(Waiter { request, end, answer }).await.ok()?;
            taken.await.ok()
        };
        let answered = tokio::select! {
            biased;
            answered = answered => answered,
            _ = is_closed.wait_for(|closed| *closed) => None,
        };
        answered.ok_or_else(|| closed("redis.lease"))?.map(dispatch::Taken::keep)
    }

    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        let mut script = self.keys.script(&EXTEND);
        script.arg(lease.token()).arg(lease.execution_id().as_str()).arg(millis(by));
        self.settle("redis.extend", lease, &script).await
    }

    async fn complete(&self, lease: Lease) -> Result<()> {
        self.check_open("redis.complete")?;
        let mut script = self.keys.script(&COMPLETE);
        script.arg(lease.token()).arg(lease.execution_id().as_str());
        let ask = Ask::Script(&script);
        let connections = &self.redis.inner.connections;
        match connections.ask_tracked::<i64>("redis.complete", &ask).await? {
            (1, _) => Ok(()),
            // The first attempt settled it, and its answer was lost.
            (2, Attempt::Second) => Ok(()),
            _ => Err(lost("redis.complete", &lease)),
        }
    }

    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
        let delay = match again {
            Redelivery::Now => Duration::ZERO,
            Redelivery::After(delay) if delay > LONGEST_DELAY => {
                return Err(Error::unsupported("the delay of the redelivery is too long")
                    .during("redis.release")
                    .with("delay in seconds", delay.as_secs())
                    .with("longest", LONGEST_DELAY.as_secs()));
            }
            Redelivery::After(delay) => delay,
            Redelivery::Dead(reason) => {
                let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
                let mut script = self.keys.script(&BURY);
                script.arg(lease.token()).arg(lease.execution_id().as_str()).arg(reason).arg(MAX_DEAD);
                return self.end_lease(&lease, &script).await;
            }
        };
        let mut script = self.keys.script(&RELEASE);
        script.arg(lease.token()).arg(lease.execution_id().as_str()).arg(millis(delay));
        self.end_lease(&lease, &script).await
    }

    async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
        self.check_open("redis.request_cancel")?;
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let mut command = redis::cmd("PUBLISH");
        command.arg(&self.keys.cancel).arg(cancel_message(&self.speaker, number, id));
        let ask = Ask::Command(&command);
        let connections = &self.redis.inner.connections;
        connections.ask::<i64>("redis.request_cancel", &ask).await.map(drop)
    }

    fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        match &*listeners {
            Some(listeners) => cancel::stream(listeners.subscribe(), self.asked.load(Ordering::Relaxed)),
            None => stream::empty().boxed(),
        }
    }

    async fn depth(&self) -> Result<Depth> {
        let (ready, delayed, leased, dead) = self.ask("redis.depth", &self.keys.script(&DEPTH)).await?;
        Ok(Depth { ready, delayed, leased, dead })
    }

    async fn close(&self) -> Result<()> {
        self.closed.send_replace(true);
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).take();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // What does not end in time ends by itself.
            drop(tokio::time::timeout(CLOSING, task).await);
        }
        Ok(())
    }
}
