//! The one task that takes jobs for every waiting `lease` of this process, so that a new job wakes one taker and not all.
use std::{collections::VecDeque, sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    ports::queue::{LeaseRequest, Leased},
};
use agent_gateway_sql::closed;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    shared::{Shared, Unwanted},
    take::{LEASE, Taken, Taker},
};

/// Callers that may wait; more wait for a place.
const WAITING: usize = 1024;
/// Jobs that are taken at once.
const BATCH: usize = 256;
/// How long a job may stay unseen whose notice was lost.
const POLL: Duration = Duration::from_secs(1);
/// The shortest pause after a look for which another process was quicker, in milliseconds, and what chance adds at most.
const PAUSE: (u64, u64) = (2, 8);
/// The longest wait that is kept: thirty years.
const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// The way to the task.
#[derive(Debug)]
pub(super) struct Claims(mpsc::Sender<Waiter>);

#[derive(Debug)]
struct Waiter {
    request: LeaseRequest,
    /// When it gets an empty answer.
    end: Instant,
    reply: oneshot::Sender<Result<Offer>>,
}

/// Jobs on their way to a caller. Whatever is dropped before the caller has it is given back.
#[derive(Debug)]
struct Offer {
    jobs: Vec<Leased>,
    shared: Arc<Shared>,
}

impl Offer {
    fn accept(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        if !self.jobs.is_empty() {
            let leases = self.jobs.drain(..).map(|leased| leased.lease).collect();
            self.shared.give_back(Unwanted { leases, ..Unwanted::default() });
        }
    }
}

impl Claims {
    /// The way, and the task that ends when the queue closes or the way is dropped.
    pub(super) fn new(
        shared: Arc<Shared>,
        closing: watch::Receiver<bool>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (sender, calls) = mpsc::channel(WAITING);
        let claimer = Claimer {
            taker: Taker::new(Arc::clone(&shared)),
            shared,
            waiters: VecDeque::new(),
            look_at: Instant::now() + POLL,
            why: Why::Own,
            quiet_until: Instant::now(),
        };
        (Self(sender), claimer.run(calls, closing))
    }

    /// Waits for jobs. From the answer to the return nothing is awaited, so a dropped future has taken nothing.
    pub(super) async fn wait(&self, request: LeaseRequest) -> Result<Vec<Leased>> {
        let (reply, answer) = oneshot::channel();
        let end = Instant::now() + request.wait.min(FAR);
        let gone = || closed().during(LEASE);
        self.0.send(Waiter { request, end, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?.map(Offer::accept)
    }
}

struct Claimer {
    taker: Taker,
    shared: Arc<Shared>,
    waiters: VecDeque<Waiter>,
    look_at: Instant,
    why: Why,
    /// Until when the notices of other processes wait.
    quiet_until: Instant,
}

/// Why the table is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Something of this process, or the time.
    Own,
    /// A notice, which every other process heard too.
    Notice,
}

impl Claimer {
    async fn run(mut self, mut calls: mpsc::Receiver<Waiter>, mut closing: watch::Receiver<bool>) {
        let mut new = Vec::new();
        loop {
            if let Err(error) = self.serve().await {
                self.fail(&error);
                self.look_at = Instant::now() + POLL;
            }
            let next = self.waiters.iter().map(|waiter| waiter.end).min();
            let next = next.map_or(self.look_at, |end| end.min(self.look_at));
            let busy = !self.waiters.is_empty() || self.shared.has_unwanted();
            tokio::select! {
                biased;
                _ = closing.wait_for(|closing| *closing) => break,
                came = calls.recv_many(&mut new, WAITING), if self.waiters.len() < WAITING => {
                    if came == 0 {
                        break;
                    }
                    self.waiters.extend(new.drain(..));
                    (self.look_at, self.why) = (Instant::now(), Why::Own);
                }
                () = self.shared.wake.notified() => (self.look_at, self.why) = (Instant::now(), Why::Own),
                () = self.shared.notice.notified() => {
                    let now = Instant::now();
                    // What is to be looked at earlier anyway stays so.
                    if self.look_at > now {
                        (self.look_at, self.why) = (self.look_at.min(self.quiet_until.max(now)), Why::Notice);
                    }
                }
                () = tokio::time::sleep_until(next), if busy => {}
            }
        }
        // Those who wait learn that nobody answers any more; what was on its way to them goes back.
        drop((calls, self.waiters));
        if let Err(error) = self.taker.give_back().await {
            tracing::warn!(error = ?error, "jobs that were taken for nobody come back when their leases run out");
        }
    }

    /// Gives back what nobody took, takes what those who wait can have, and sends those away whose wait is over.
    async fn serve(&mut self) -> Result<()> {
        self.taker.give_back().await?;
        while self.look_at <= Instant::now() {
            self.waiters.retain(|waiter| !waiter.reply.is_closed());
            let slots: Vec<_> = self
                .waiters
                .iter()
                .flat_map(|waiter| std::iter::repeat_n(&waiter.request, waiter.request.count.min(BATCH)))
                .take(BATCH)
                .collect();
            if slots.is_empty() {
                self.look_at = Instant::now() + POLL;
                break;
            }
            let wanted = slots.len();
            let taken = self.taker.take(&slots).await?;
            let why = std::mem::replace(&mut self.why, Why::Own);
            if taken.jobs.is_empty() && why == Why::Notice {
                self.quiet_until = Instant::now() + pause();
            }
            if taken.jobs.len() < wanted {
                self.look_at = Instant::now() + taken.next.map_or(POLL, |next| next.min(POLL));
            }
            self.hand_out(taken);
        }
        let now = Instant::now();
        let is_late = |waiter: &Waiter| waiter.end <= now || waiter.request.count == 0;
        let (late, waiting): (VecDeque<_>, _) =
            std::mem::take(&mut self.waiters).into_iter().partition(is_late);
        self.waiters = waiting;
        for waiter in late {
            let offer = Offer { jobs: Vec::new(), shared: Arc::clone(&self.shared) };
            // A caller that went away does not want to know.
            let _ = waiter.reply.send(Ok(offer));
        }
        Ok(())
    }

    /// The jobs stand in the order of the slots, and so do those who wait.
    fn hand_out(&mut self, taken: Taken) {
        let mut jobs = taken.jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let Some(waiter) = self.waiters.pop_front() else { break };
            let offer = Offer {
                jobs: jobs.by_ref().take(waiter.request.count).collect(),
                shared: Arc::clone(&self.shared),
            };
            // What cannot be sent is dropped, and so given back.
            let _ = waiter.reply.send(Ok(offer));
        }
    }

    fn fail(&mut self, error: &Error) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.reply.send(Err(error.copy()));
        }
    }
}

/// By chance, so that those who heard the same notice do not come back together.
fn pause() -> Duration {
    let (least, more) = PAUSE;
    let [.., chance] = uuid::Uuid::now_v7().into_bytes();
    Duration::from_millis(least + u64::from(chance) % (more + 1))
}
