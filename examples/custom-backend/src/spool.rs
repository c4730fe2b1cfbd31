//! A queue in a directory.
use std::{path::Path, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    capability::{BackendInfo, Durability, QueueCapability},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};
use async_trait::async_trait;
use futures::stream::BoxStream;
use tokio::time::{Instant, sleep};

// Where a job stands is its file's place and name.
mod name;
mod place;

// What is done with jobs, and with requests to stop.
mod cancellations;
mod jobs;

use self::{jobs::Jobs, place::Directory};
use crate::blocking::blocking;

/// How often a waiting lease and a listener look.
const POLL: Duration = Duration::from_millis(50);
/// The largest job in bytes of JSON.
const MAX_PAYLOAD: usize = 256 * 1024;
/// The longest delay of a redelivery.
const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Keeps every job in a file of its own, which is written once and then only moved: from `ready` to `leased`, and from there
/// to `delayed`, to `dead`, back to `ready`, or away.
///
/// - Moving a file is what two workers cannot both do. It needs no lock and no server, and several processes of one
///   machine may share a directory.
/// - A lease's end is in the file's name, in the machine's time of day. Whoever looks next moves what is over.
/// - A waiting lease looks again every 50 ms; so does who listens for requests to stop.
/// - Jobs that are accepted in the same millisecond by two processes have no order between them. A redelivered job goes
///   back to where it was in the order.
/// - At most 10 000 jobs are accepted and unsettled, more are `RateLimited`; of the dead ones the last 1 000 are kept.
#[derive(Debug)]
pub struct SpoolQueue(Arc<Directory>);

impl SpoolQueue {
    /// Opens the directory, or makes it, with those that it needs. A place that cannot be used is `Misconfigured`.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        blocking(|| Ok(Self(Arc::new(Directory::open(path)?)))).await
    }

    /// Does something with the jobs, where it may block.
    async fn jobs<T: Send + 'static>(
        &self,
        work: impl FnOnce(Jobs) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.check_open()?;
        let jobs = Jobs::of(self.0.clone());
        blocking(move || work(jobs)).await
    }
}

#[async_trait]
impl ExecutionQueue for SpoolQueue {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("spool", self.0.path().display().to_string(), Durability::Durable)
    }

    fn capability(&self) -> QueueCapability {
        QueueCapability::new(Durability::Durable, LONGEST_DELAY, MAX_PAYLOAD)
    }

    async fn prepare(&self) -> Result<()> {
        self.jobs(|jobs| jobs.prepare()).await
    }

    async fn enqueue(&self, job: &Job) -> Result<()> {
        let text = serde_json::to_vec(job).map_err(|error| {
            Error::unexpected("a job is no JSON").during("spool.enqueue").caused_by(error)
        })?;
        if text.len() > MAX_PAYLOAD {
            return Err(Error::too_large("the job is too large")
                .during("spool.enqueue")
                .with("bytes", text.len())
                .with("limit", MAX_PAYLOAD));
        }
        self.jobs(move |jobs| jobs.accept(&text)).await
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        let LeaseRequest { count, wait, visibility, .. } = request;
        let start = Instant::now();
        loop {
            // Dropped before it is kept, what was taken goes back.
            let taken = self.jobs(move |jobs| jobs.take(count, visibility)).await?;
            let left = wait.saturating_sub(start.elapsed());
            if !taken.is_empty() || count == 0 || left.is_zero() {
                return Ok(taken.keep());
            }
            sleep(left.min(POLL)).await;
        }
    }

    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        let lease = Lease::new(lease.execution_id().clone(), lease.token());
        self.jobs(move |jobs| jobs.extend(&lease, by)).await
    }

    async fn complete(&self, lease: Lease) -> Result<()> {
        self.jobs(move |jobs| jobs.complete(&lease)).await
    }

    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
        if let Redelivery::After(delay) = again
            && delay > LONGEST_DELAY
        {
            return Err(Error::unsupported("the delay of the redelivery is too long")
                .during("spool.release")
                .with("delay in seconds", delay.as_secs())
                .with("longest", LONGEST_DELAY.as_secs()));
        }
        self.jobs(move |jobs| match again {
            Redelivery::Now => jobs.give_back(&lease),
            Redelivery::After(delay) => jobs.delay(&lease, delay),
            Redelivery::Dead(reason) => jobs.bury(&lease, &reason),
        })
        .await
    }

    async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
        self.0.check_open()?;
        let (directory, id) = (self.0.clone(), id.clone());
        blocking(move || cancellations::request(&directory, &id)).await
    }

    fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
        cancellations::listen(self.0.clone(), POLL)
    }

    async fn depth(&self) -> Result<Depth> {
        self.jobs(|jobs| jobs.depth()).await
    }

    async fn close(&self) -> Result<()> {
        // Waiting leases and listeners see it when they look next.
        self.0.close();
        Ok(())
    }
}
