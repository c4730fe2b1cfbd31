use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};
use tokio::{
    sync::{Notify, broadcast},
    time::Instant,
};

use self::jobs::{Jobs, Release};
use super::deadline;
use crate::{
    Error, Result,
    capability::{BackendInfo, Durability, QueueCapability},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};

mod jobs;

/// The most accepted and unsettled jobs.
const CAPACITY: usize = 10_000;
/// The largest job in bytes of JSON.
const MAX_PAYLOAD: usize = 256 * 1024;
/// The longest delay of a redelivery.
const LONGEST_DELAY: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// How many requests to stop a slow listener may lie behind before it misses some.
const CANCELLATIONS: usize = 1024;

/// A queue among the tasks of this process, measured in tokio's time.
///
/// At most 10 000 jobs are accepted and unsettled, more are `RateLimited`; of the dead ones the last 1 000 are kept.
/// Redelivered jobs go behind those that wait.
#[derive(Debug)]
pub struct InProcessQueue {
    state: Mutex<State>,
    /// Told when a job is ready, when an earlier time to look has come up, and when the queue closes.
    changed: Notify,
    capacity: usize,
}

#[derive(Debug)]
enum State {
    Open(Open),
    Closed,
}

#[derive(Debug)]
struct Open {
    jobs: Jobs,
    cancellations: broadcast::Sender<ExecutionId>,
}

/// A job that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadJob {
    /// The job.
    pub job: Job,
    /// Why it was given up.
    pub reason: String,
    /// How often it was handed out.
    pub deliveries: u32,
}

impl Default for InProcessQueue {
    fn default() -> Self {
        let open = Open { jobs: Jobs::default(), cancellations: broadcast::Sender::new(CANCELLATIONS) };
        Self { state: Mutex::new(State::Open(open)), changed: Notify::new(), capacity: CAPACITY }
    }
}

impl InProcessQueue {
    /// The same queue for at most `jobs` accepted and unsettled.
    #[must_use]
    pub fn capacity(mut self, jobs: NonZeroUsize) -> Self {
        self.capacity = jobs.get();
        self
    }

    /// The dead jobs that are kept, oldest first. A closed queue has none.
    #[must_use]
    pub fn dead(&self) -> Vec<DeadJob> {
        self.open("in-process.dead", |open| open.jobs.dead()).unwrap_or_default()
    }

    /// Does something with what is open; `Unavailable` when nothing is.
    fn open<T>(&self, operation: &'static str, body: impl FnOnce(&mut Open) -> T) -> Result<T> {
        match &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open(open) => {
                open.jobs.advance(Instant::now());
                Ok(body(open))
            }
            State::Closed => Err(Error::unavailable("the queue is closed").during(operation)),
        }
    }
}

fn lost(lease: &Lease, operation: &'static str) -> Error {
    Error::conflict("the lease has run out or was settled")
        .during(operation)
        .with("execution", lease.execution_id())
}

fn check_size(job: &Job) -> Result<()> {
    let size = serde_json::to_vec(job)
        .map_err(|error| {
            Error::unexpected("a job cannot be written as JSON").during("in-process.enqueue").caused_by(error)
        })?
        .len();
    if size > MAX_PAYLOAD {
        return Err(Error::too_large("the job is too large")
            .during("in-process.enqueue")
            .with("bytes", size)
            .with("limit", MAX_PAYLOAD));
    }
    Ok(())
}

#[async_trait]
impl ExecutionQueue for InProcessQueue {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("in-process", "this process", Durability::Process)
    }

    fn capability(&self) -> QueueCapability {
        QueueCapability::new(Durability::Process, LONGEST_DELAY, MAX_PAYLOAD)
    }

    async fn prepare(&self) -> Result<()> {
        self.open("in-process.prepare", |_| ())
    }

    async fn enqueue(&self, job: &Job) -> Result<()> {
        check_size(job)?;
        let accepted = self.open("in-process.enqueue", |open| {
            let room = open.jobs.unsettled() < self.capacity;
            if room {
                open.jobs.accept(job.clone());
            }
            room
        })?;
        if !accepted {
            return Err(Error::rate_limited("the queue is full")
                .during("in-process.enqueue")
                .with("capacity", self.capacity));
        }
        self.changed.notify_one();
        Ok(())
    }

    async fn lease(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        let end = deadline::after(request.wait);
        loop {
            // Listening begins before looking, so that nothing that happens in between is missed.
            let changed = self.changed.notified();
            let (taken, next, earlier) = self.open("in-process.lease", |open| {
                let before = open.jobs.next_due();
                let taken = open.jobs.take(request.count, deadline::after(request.visibility));
                let next = open.jobs.next_due();
                (taken, next, next.is_some() && before.is_none_or(|before| next < Some(before)))
            })?;
            if earlier {
                // Those who wait must learn that there is an earlier time to look.
                self.changed.notify_waiters();
            }
            // From taking to here nothing is awaited: a dropped future has taken nothing.
            if !taken.is_empty() || request.count == 0 || Instant::now() >= end {
                return Ok(taken);
            }
            let look_again = next.map_or(end, |next| next.min(end));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(look_again) => {}
            }
        }
    }

    async fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        let until = deadline::after(by);
        let held = self.open("in-process.extend", |open| open.jobs.extend(lease, until))?;
        if !held {
            return Err(lost(lease, "in-process.extend"));
        }
        // A shorter time than before is an earlier time to look.
        self.changed.notify_waiters();
        Ok(())
    }

    async fn complete(&self, lease: Lease) -> Result<()> {
        let held = self.open("in-process.complete", |open| open.jobs.release(&lease, Release::Done))?;
        if held { Ok(()) } else { Err(lost(&lease, "in-process.complete")) }
    }

    async fn release(&self, lease: Lease, again: Redelivery) -> Result<()> {
        let release = match again {
            Redelivery::Now => Release::Now,
            Redelivery::After(delay) if delay > LONGEST_DELAY => {
                return Err(Error::unsupported("the delay of the redelivery is too long")
                    .during("in-process.release")
                    .with("delay in seconds", delay.as_secs())
                    .with("longest", LONGEST_DELAY.as_secs()));
            }
            Redelivery::After(delay) => Release::At(deadline::after(delay)),
            Redelivery::Dead(reason) => Release::Dead(reason),
        };
        let held = self.open("in-process.release", |open| open.jobs.release(&lease, release))?;
        if !held {
            return Err(lost(&lease, "in-process.release"));
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn request_cancel(&self, id: &ExecutionId) -> Result<()> {
        self.open("in-process.request_cancel", |open| {
            // An error only says that nobody listens.
            let _ = open.cancellations.send(id.clone());
        })
    }

    fn cancellations(&self) -> BoxStream<'static, ExecutionId> {
        let Ok(listener) = self.open("in-process.cancellations", |open| open.cancellations.subscribe())
        else {
            return stream::empty().boxed();
        };
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
        self.open("in-process.depth", |open| open.jobs.depth())
    }

    async fn close(&self) -> Result<()> {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::Closed;
        self.changed.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
