//! One task for each queue takes jobs for all who wait in this process. It is never dropped in the middle of taking, so that
//! what came for somebody who went away can be given back.
use std::{collections::VecDeque, time::Duration};

use agent_gateway_core::{
    Error, Result,
    ports::queue::{LeaseRequest, Leased},
};
use deadpool_redis::redis::{self, RedisResult, aio::MultiplexedConnection};
use futures::{FutureExt, future::BoxFuture, future::join_all};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, sleep_until},
};
use uuid::Uuid;

use super::{
    closed,
    entry::{Claimed, Malformed, read},
    keys::{Keys, millis},
    sweep::sweep,
};
use crate::{
    Redis,
    connect::{Ask, Failure, within},
    error::copy,
    script::{ABANDON, BURY, CLAIM, GIVE_BACK, RING},
};

/// How long a waiting process goes without looking: the most that a bell can be late that was lost with its connection.
const LOOK: Duration = Duration::from_millis(500);
/// How many claims are under way at the same time.
const CLAIMS: usize = 8;
/// The most jobs of one claim.
const MOST: usize = 1_000;
/// How many leases may wait in this process; more wait until they may.
pub(super) const WAITERS: usize = 4_096;
/// How often pending entries are swept.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The dead entries that are kept.
pub(super) const MAX_DEAD: usize = 10_000;
/// The claims without an answer that are remembered.
const MAX_ABANDONED: usize = 64;
/// The pause before a bell is listened for again that could not be heard.
const DEAF: Duration = Duration::from_millis(250);

/// Jobs on their way to whoever asked. What is dropped on the way goes back.
#[derive(Debug)]
pub(super) struct Taken {
    jobs: Vec<Leased>,
    back: mpsc::UnboundedSender<Vec<String>>,
}

impl Taken {
    /// The jobs, which are the caller's from now on.
    pub(super) fn keep(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.jobs)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if !self.jobs.is_empty() {
            let tokens = self.jobs.iter().map(|leased| leased.lease.token().to_owned()).collect();
            // Where nobody takes them back any more, the leases run out.
            drop(self.back.send(tokens));
        }
    }
}

/// Somebody who waits for jobs.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) request: LeaseRequest,
    pub(super) end: Instant,
    pub(super) answer: oneshot::Sender<Result<Taken>>,
}

/// What a look found.
enum Look {
    /// Everybody who waited has an answer.
    Done,
    /// Nothing is left; the time until something is due, where that is known.
    Nothing(Option<Duration>),
}

/// What a claim brought.
struct Claim {
    jobs: Vec<Leased>,
    malformed: Vec<Malformed>,
    wait: Option<Duration>,
}

/// A claim without an answer, which may have taken jobs for nobody.
struct Abandoned {
    nonce: String,
    due: Instant,
    was_tried: bool,
}

/// What the dispatcher waits for.
enum Event {
    /// The queue closes.
    Closed,
    /// These leases belong to nobody.
    Returned(Vec<String>),
    /// Somebody wants jobs.
    Came(Waiter),
    /// The bell rang.
    Rang(MultiplexedConnection),
    /// The bell did not ring for a while, or cannot be heard.
    Silence(Option<MultiplexedConnection>),
    /// It is time to look.
    Alarm,
}

type Bell = BoxFuture<'static, Event>;

pub(super) struct Dispatcher {
    redis: Redis,
    keys: std::sync::Arc<Keys>,
    incoming: mpsc::Receiver<Waiter>,
    waiting: VecDeque<Waiter>,
    returns: mpsc::UnboundedReceiver<Vec<String>>,
    back: mpsc::UnboundedSender<Vec<String>>,
    abandoned: VecDeque<Abandoned>,
    closed: watch::Receiver<bool>,
}

impl Dispatcher {
    pub(super) fn new(
        redis: Redis,
        keys: std::sync::Arc<Keys>,
        incoming: mpsc::Receiver<Waiter>,
        closed: watch::Receiver<bool>,
    ) -> Self {
        let (back, returns) = mpsc::unbounded_channel();
        let (waiting, abandoned) = (VecDeque::new(), VecDeque::new());
        Self { redis, keys, incoming, waiting, returns, back, abandoned, closed }
    }

    pub(super) async fn run(mut self) {
        let mut bell: Option<Bell> = None;
        let mut hearing: Option<MultiplexedConnection> = None;
        let mut next_look = Instant::now();
        let mut next_sweep = Instant::now() + SWEEP_EVERY;
        loop {
            if bell.is_none() && !self.waiting.is_empty() {
                bell = Some(listen(self.redis.clone(), self.keys.bell.clone(), hearing.take()));
            }
            let earliest = self.waiting.iter().map(|waiter| waiter.end).min();
            let alarm = earliest.map_or(next_sweep, |end| end.min(next_look));
            let alarm = self.abandoned.iter().map(|lost| lost.due).fold(alarm, Instant::min);
            let mut rung = false;
            match self.next(&mut bell, alarm).await {
                Event::Closed => break,
                Event::Returned(tokens) => {
                    self.give_back(tokens).await;
                    continue;
                }
                Event::Silence(connection) => {
                    (bell, hearing) = (None, connection);
                    continue;
                }
                Event::Rang(connection) => (bell, hearing, rung) = (None, Some(connection), true),
                Event::Came(waiter) => self.waiting.push_back(waiter),
                Event::Alarm => {}
            }
            while self.waiting.len() < WAITERS
                && let Ok(waiter) = self.incoming.try_recv()
            {
                self.waiting.push_back(waiter);
            }
            next_look = Instant::now() + LOOK;
            if rung && self.waiting.iter().all(|waiter| waiter.answer.is_closed()) {
                self.waiting.clear();
                self.ring().await;
            } else if let Look::Nothing(Some(wait)) = self.look().await {
                // A moment later than due, as the server counts in whole milliseconds.
                next_look = next_look.min(Instant::now() + wait + Duration::from_millis(1));
            }
            self.take_back_abandoned().await;
            if Instant::now() >= next_sweep {
                next_sweep = Instant::now() + SWEEP_EVERY;
                if let Err(error) = sweep(&self.redis, &self.keys).await {
                    tracing::debug!(%error, "the queue could not be swept");
                }
            }
        }
        self.end(bell.is_some()).await;
    }

    /// What happens next, until `alarm`.
    async fn next(&mut self, bell: &mut Option<Bell>, alarm: Instant) -> Event {
        let rings = async {
            match bell {
                Some(bell) => bell.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.closed.wait_for(|closed| *closed) => Event::Closed,
            Some(tokens) = self.returns.recv() => Event::Returned(tokens),
            Some(waiter) = self.incoming.recv(), if self.waiting.len() < WAITERS => Event::Came(waiter),
            event = rings => event,
            () = sleep_until(alarm) => Event::Alarm,
        }
    }

    /// Answers those who wait, as far as there is something for them or their time is over.
    async fn look(&mut self) -> Look {
        loop {
            self.waiting.retain(|waiter| !waiter.answer.is_closed());
            if self.waiting.is_empty() {
                return Look::Done;
            }
            let turn: Vec<Waiter> = self.waiting.drain(..self.waiting.len().min(CLAIMS)).collect();
            let claims = join_all(turn.iter().map(|waiter| self.claim(&waiter.request))).await;
            let now = Instant::now();
            let (mut nothing, mut failed, mut unlucky) = (None, None, Vec::new());
            for (waiter, (lost, claim)) in turn.into_iter().zip(claims) {
                let lost = lost.into_iter().map(|nonce| Abandoned { nonce, due: now, was_tried: false });
                self.abandoned.extend(lost);
                match claim {
                    Ok(claim) => {
                        let empty = claim.jobs.is_empty();
                        // Rubbish in the way of jobs is no reason to stop looking.
                        if empty && claim.malformed.is_empty() {
                            nothing = Some(claim.wait);
                        }
                        self.bury(claim.malformed).await;
                        if empty {
                            unlucky.push(waiter);
                        } else {
                            drop(waiter.answer.send(Ok(Taken { jobs: claim.jobs, back: self.back.clone() })));
                        }
                    }
                    Err(failure) => {
                        failed = Some(Error::from(failure));
                        unlucky.push(waiter);
                    }
                }
            }
            // What is forgotten here comes back when its lease runs out.
            self.abandoned.drain(..self.abandoned.len().saturating_sub(MAX_ABANDONED));
            for waiter in unlucky.into_iter().rev() {
                self.waiting.push_front(waiter);
            }
            if let Some(error) = failed {
                for waiter in self.waiting.drain(..) {
                    drop(waiter.answer.send(Err(copy(&error))));
                }
                return Look::Done;
            }
            self.take_back_abandoned().await;
            if let Some(wait) = nothing {
                self.dismiss();
                return Look::Nothing(wait);
            }
        }
    }

    /// Sends those away whose time is over.
    fn dismiss(&mut self) {
        let now = Instant::now();
        for waiter in std::mem::take(&mut self.waiting) {
            if waiter.end <= now {
                let nothing = Taken { jobs: Vec::new(), back: self.back.clone() };
                drop(waiter.answer.send(Ok(nothing)));
            } else {
                self.waiting.push_back(waiter);
            }
        }
    }

    /// Takes jobs for one request. Answers also the nonces of attempts without an answer, which may have taken some.
    async fn claim(&self, request: &LeaseRequest) -> (Vec<String>, Result<Claim, Failure>) {
        let mut lost = Vec::new();
        loop {
            let nonce = Uuid::now_v7().simple().to_string();
            let mut script = self.keys.script(&CLAIM);
            script.arg(&request.worker).arg(request.count.min(MOST));
            script.arg(millis(request.visibility)).arg(&nonce);
            let ask = Ask::Script(&script);
            let answer = self.redis.inner.connections.ask_once::<(Vec<Claimed>, i64)>("redis.lease", 0, &ask);
            match answer.await {
                Ok((claimed, wait)) => {
                    let wait = u64::try_from(wait).ok().map(Duration::from_millis);
                    let mut claim = Claim { jobs: Vec::new(), malformed: Vec::new(), wait };
                    for entry in &claimed {
                        match read(entry, &nonce) {
                            Ok(leased) => claim.jobs.push(leased),
                            Err(malformed) => claim.malformed.push(malformed),
                        }
                    }
                    return (lost, Ok(claim));
                }
                // The connection may have been gone for long: once more, on another one.
                Err(Failure::Gone(_)) if lost.is_empty() => lost.push(nonce),
                Err(failure) => {
                    lost.push(nonce);
                    return (lost, Err(failure));
                }
            }
        }
    }

    async fn bury(&self, malformed: Vec<Malformed>) {
        for Malformed { token, reason } in malformed {
            tracing::warn!(token, reason, "an entry of the queue is no job and was put to the dead ones");
            let mut script = self.keys.script(&BURY);
            script.arg(token).arg("").arg(reason).arg(MAX_DEAD);
            self.attempt(&Ask::Script(&script)).await;
        }
    }

    async fn give_back(&self, tokens: Vec<String>) {
        let mut script = self.keys.script(&GIVE_BACK);
        script.arg(tokens);
        self.attempt(&Ask::Script(&script)).await;
    }

    /// Takes back what lost claims took: at once, and once more a look later, as the server may do them only then. Also when
    /// nobody asks again: what was taken for nobody would be hidden until its lease ends.
    async fn take_back_abandoned(&mut self) {
        let now = Instant::now();
        let mut answers = true;
        for mut lost in std::mem::take(&mut self.abandoned) {
            // A server that is away is asked once, not once for each: others wait for this task.
            if lost.due > now || !answers {
                if !answers {
                    lost.due = lost.due.max(Instant::now() + LOOK);
                }
                self.abandoned.push_back(lost);
                continue;
            }
            let mut script = self.keys.script(&ABANDON);
            script.arg(&lost.nonce);
            answers = self.attempt(&Ask::Script(&script)).await;
            if !(answers && lost.was_tried) {
                lost.was_tried |= answers;
                lost.due = Instant::now() + LOOK;
                self.abandoned.push_back(lost);
            }
        }
    }

    async fn ring(&self) {
        self.attempt(&Ask::Script(&self.keys.script(&RING))).await;
    }

    /// Does what is repaired by time when it fails: a lease runs out, others look now and then.
    async fn attempt(&self, ask: &Ask<'_>) -> bool {
        let done = self.redis.inner.connections.ask::<i64>("redis.lease", ask).await;
        if let Err(error) = &done {
            tracing::debug!(%error, "the queue could not be tidied up");
        }
        done.is_ok()
    }

    /// Sends everybody away and gives back what is on its way to nobody.
    async fn end(mut self, was_listening: bool) {
        self.incoming.close();
        while let Ok(waiter) = self.incoming.try_recv() {
            self.waiting.push_back(waiter);
        }
        for waiter in self.waiting.drain(..) {
            drop(waiter.answer.send(Err(closed("redis.lease"))));
        }
        while let Ok(tokens) = self.returns.try_recv() {
            self.give_back(tokens).await;
        }
        for lost in &mut self.abandoned {
            lost.due = Instant::now();
        }
        self.take_back_abandoned().await;
        if was_listening {
            // It may have been ours that rang last.
            self.ring().await;
        }
    }
}

/// Waits for the bell, at most until the next look. Answers the connection where it still works.
fn listen(redis: Redis, bell: String, connection: Option<MultiplexedConnection>) -> Bell {
    async move {
        let heard = async {
            let mut connection = match connection {
                Some(connection) => connection,
                None => redis.inner.connections.waiting().await?,
            };
            let mut command = redis::cmd("BLPOP");
            command.arg(bell).arg(LOOK.as_secs_f64());
            let answer = command.query_async::<Option<(String, String)>>(&mut connection);
            let heard = within(LOOK * 8, answer).await?;
            RedisResult::Ok((connection, heard.is_some()))
        };
        match heard.await {
            Ok((connection, true)) => Event::Rang(connection),
            Ok((connection, false)) => Event::Silence(Some(connection)),
            Err(error) => {
                tracing::debug!(%error, "the queue's bell cannot be heard");
                sleep(DEAF).await;
                Event::Silence(None)
            }
        }
    }
    .boxed()
}
