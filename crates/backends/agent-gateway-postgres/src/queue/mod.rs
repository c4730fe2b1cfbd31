//! The queue: a table, one statement for what many callers ask at once, and notices instead of polling.
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Error, Result,
    capability::{BackendInfo, Durability, QueueCapability},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};
use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};
use sqlx::Row;
use tokio::{
    sync::{broadcast, watch},
    task::JoinHandle,
};

use self::{
    batches::{Accept, COMPLETE, Complete, ENQUEUE, EXTEND, Extend, Extension, NewJob},
    claims::Claims,
    lane::Lane,
    release::{Bury, RELEASE, Release},
    shared::Shared,
};
use crate::{
    Postgres,
    error::convert,
    statement::{Args, Plan, Statement, micros},
};

mod batches;
mod claims;
mod lane;
mod listener;
mod release;
mod shared;
mod take;

/// The largest job in bytes of JSON.
const MAX_PAYLOAD: usize = 256 * 1024;
/// The longest delay of a redelivery.
const LONGEST_DELAY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

const CANCEL: &str = "postgres.request_cancel";
const DEPTH: &str = "postgres.depth";

const CANCEL_TEXT: &str = "SELECT pg_notify($1, $2)";
const DEPTH_TEXT: &str = "\
    SELECT count(*) FILTER (WHERE due_at <= now()), \
        count(*) FILTER (WHERE due_at > now() AND token IS NULL), \
        count(*) FILTER (WHERE due_at > now() AND token IS NOT NULL), \
        (SELECT count(*) FROM {p}execution_queue_dead) \
    FROM {p}execution_queue";

/// A queue in a table, for any number of processes.
///
/// - The server's clock decides when a lease runs out and a delay is over.
/// - Jobs that are accepted, completed or extended at the same time share one statement and one commit.
/// - Redelivered jobs go behind those that are due by then. A job that is queued already is not accepted twice.
/// - Dead jobs go to the table `execution_queue_dead`, which keeps the newest 1 000; their ids may be accepted again.
/// - Beside the pool it holds one connection that listens. While that is lost, jobs are seen within a second, and
///   requests to stop are missed.
#[derive(Debug)]
pub struct PostgresQueue {
    shared: Arc<Shared>,
    accept: Lane<NewJob>,
    complete: Lane<Lease>,
    extend: Lane<Extension>,
    claims: Claims,
    release: Release,
    bury: Bury,
    cancel: Statement,
    depth: Statement,
    closing: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl PostgresQueue {
    /// Opens the queue on this database and begins to listen. [`prepare`](ExecutionQueue::prepare) makes its tables.
    ///
    /// A server that is away, or takes no more connections, is `Unavailable`.
    pub async fn open(postgres: &Postgres) -> Result<Self> {
        let shared = Arc::new(Shared::new(postgres.join()));
        let listener = listener::connect(&shared).await?;
        let (closing, closed) = watch::channel(false);
        let (accept, accepting) = Lane::new(Accept::new(Arc::clone(&shared)), closed.clone());
        let (complete, completing) = Lane::new(Complete::new(Arc::clone(&shared)), closed.clone());
        let (extend, extending) = Lane::new(Extend::new(Arc::clone(&shared)), closed.clone());
        let (claims, claiming) = Claims::new(Arc::clone(&shared), closed.clone());
        let listening = listener::listen(Arc::clone(&shared), listener, closed);
        let tasks =
            vec![spawn(accepting), spawn(completing), spawn(extending), spawn(claiming), spawn(listening)];
        Ok(Self {
            release: Release::new(&shared),
            bury: Bury::new(&shared),
            cancel: shared.statement(CANCEL, Plan::Kept, CANCEL_TEXT),
            depth: shared.statement(DEPTH, Plan::Kept, DEPTH_TEXT),
            tasks: Mutex::new(tasks),
            shared,
            accept,
            complete,
            extend,
            claims,
            closing,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a backend knows no task set; these tasks live exactly as long as their queue"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(task)
}

#[async_trait]
impl ExecutionQueue for PostgresQueue {
    fn info(&self) -> BackendInfo {
        self.shared.member.info()
    }

    fn capability(&self) -> QueueCapability {
        QueueCapability::new(Durability::Durable, LONGEST_DELAY, MAX_PAYLOAD)
    }

    async fn prepare(&self) -> Result<()> {
        self.shared.member.prepare().await
    }

    async fn enqueue(&self, job: &Job) -> Result<()> {
        let payload = serde_json::to_string(job).map_err(|error| {
            Error::unexpected("a job cannot be written as JSON").during(ENQUEUE).caused_by(error)
        })?;
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::too_large("the job is too large")
                .during(ENQUEUE)
                .with("bytes", payload.len())
                .with("limit", MAX_PAYLOAD));
        }
        self.accept.ask(ENQUEUE, NewJob { id: job.execution_id.clone(), payload }).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        self.claims.wait(request).await
    }

    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        let extension = Extension {
            id: lease.execution_id().clone(),
            token: lease.token().to_owned(),
            micros: micros(by),
        };
        self.extend.ask(EXTEND, extension).await
    }

    async fn complete(&self, lease: Lease) -> Result<()> {
        self.complete.ask(COMPLETE, lease).await
    }

    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
        match again {
            Redelivery::Now => self.release.run(&self.shared, &lease, Duration::ZERO).await,
            Redelivery::After(delay) if delay > LONGEST_DELAY => {
                Err(Error::unsupported("the delay of the redelivery is too long")
                    .during(RELEASE)
                    .with("delay in seconds", delay.as_secs())
                    .with("longest", LONGEST_DELAY.as_secs()))
            }
            Redelivery::After(delay) => self.release.run(&self.shared, &lease, delay).await,
            Redelivery::Dead(reason) => {
                let pool = self.shared.pool(RELEASE)?;
                Ok(self.bury.run(pool, lease.execution_id().as_str(), lease.token(), &reason).await?)
            }
        }
    }

    async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
        let pool = self.shared.pool(CANCEL)?;
        let notice = format!("{id} {}", self.shared.instance);
        let args = || Args::default().with(self.shared.channels.cancel.as_str()).with(notice.as_str()).done();
        self.cancel.repeat(pool, args).await?;
        // This process does not wait for its own notice: whoever begins to listen from here on must not hear it.
        self.shared.cancelled(id.clone());
        Ok(())
    }

    fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
        let Some(listener) = self.shared.listen() else { return stream::empty().boxed() };
        let next = |mut listener: broadcast::Receiver<ExecutionId>| async move {
            loop {
                match listener.recv().await {
                    Ok(id) => return Some((id, listener)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        };
        stream::unfold(listener, next).boxed()
    }

    async fn depth(&self) -> Result<Depth> {
        let pool = self.shared.pool(DEPTH)?;
        let rows = self.depth.repeat(pool, || Args::default().done()).await?;
        let Some(row) = rows.first() else { return Ok(Depth::default()) };
        let count = |index: usize| row.try_get::<i64, _>(index).map(i64::unsigned_abs);
        let depth = || Ok(Depth { ready: count(0)?, delayed: count(1)?, leased: count(2)?, dead: count(3)? });
        depth().map_err(|error| convert(DEPTH, error))
    }

    async fn close(&self) -> Result<()> {
        self.closing.send_replace(true);
        self.shared.silence();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            // A task that panicked is over too.
            let _ = task.await;
        }
        self.shared.member.close().await;
        Ok(())
    }
}
