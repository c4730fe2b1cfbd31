//! Jobs of one session between the broker and the workers: those that came, those that are leased, and who waits.
use std::{
    collections::{HashMap, VecDeque},
    pin::{Pin, pin},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agent_gateway_core::{
    Error, Result,
    ports::queue::{Lease, Leased},
};
use lapin::Acker;
use tokio::{
    sync::{Notify, futures::Notified},
    time::Instant,
};
use uuid::Uuid;

use crate::message::Counted;

/// How long a job may wait here for a worker before it is given back.
const LINGER: Duration = Duration::from_secs(1);

/// A job that the broker handed to this process.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) acker: Acker,
    pub(crate) counted: Counted,
    /// The consumers that it came through.
    pub(crate) generation: u64,
}

#[derive(Debug)]
struct Held {
    arrived: Arrived,
    until: Instant,
}

/// What is to be done about the consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// More is wanted than invited: consume so many more.
    Invite(u16),
    /// More is invited than anybody has wanted for a while: stop consuming.
    Recall,
    /// Nothing, until something changes.
    Rest,
    /// Nothing, until then.
    RestUntil(Instant),
}

/// The jobs of one session.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<State>,
    /// A job came.
    arrived: Notify,
    /// There may be another plan.
    pub(crate) changed: Notify,
    /// A lease may run out earlier than the last one looked at.
    pub(crate) deadlines: Notify,
    limit: usize,
}

/// Of the jobs that this process holds, `bound` count against the `invited` ones: the broker sends a consumer no more than
/// it was invited to send, less what is not settled. The others came through consumers that are no more.
#[derive(Debug)]
struct State {
    waiting: VecDeque<Arrived>,
    leases: HashMap<String, Held>,
    /// How many jobs those who wait want.
    wanted: usize,
    invited: usize,
    bound: usize,
    generation: u64,
    balance: Balance,
    session: Uuid,
    issued: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Balance {
    /// Nobody else could use what is here or invited.
    Even,
    /// More is here or invited than wanted, since then.
    Surplus(Instant),
}

impl State {
    fn free(&self) -> usize {
        self.invited.saturating_sub(self.bound)
    }

    fn have(&self) -> usize {
        self.free() + self.waiting.len()
    }

    /// Gives the broker's invitation back when a job is settled.
    fn unbind(&mut self, arrived: &Arrived) {
        if arrived.generation == self.generation {
            self.bound = self.bound.saturating_sub(1);
        }
    }
}

/// Somebody who waits for jobs. Dropping it takes the wish back.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    desk: &'a Desk,
    count: usize,
    counted: usize,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.wanted -= self.counted;
        self.desk.weigh(&mut state);
    }
}

impl Asking<'_> {
    /// Takes what is there. From taking to answering nothing is awaited, so a dropped future has taken nothing.
    fn take(&mut self, visibility: Duration) -> Vec<Leased> {
        let mut state = self.desk.lock();
        let count = self.count.min(state.waiting.len());
        if count == 0 {
            return Vec::new();
        }
        let until = after(visibility);
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            let Some(arrived) = state.waiting.pop_front() else { break };
            state.issued += 1;
            let token = format!("{}{:016x}", state.session.simple(), state.issued);
            let Counted { job, deliveries } = arrived.counted.clone();
            let lease = Lease::new(job.execution_id.clone(), token.clone());
            taken.push(Leased { job, lease, delivery: deliveries });
            state.leases.insert(token, Held { arrived, until });
        }
        // The wish ends with the taking: in between, somebody would be invited for nobody.
        state.wanted -= std::mem::take(&mut self.counted);
        self.desk.weigh(&mut state);
        drop(state);
        self.desk.deadlines.notify_one();
        taken
    }

    /// Listens for the next job, and takes what is there. In this order: for a job that comes in between, somebody else would
    /// be woken or nobody, as the wake-ups of those who do not listen yet are one.
    fn take_or_listen(&mut self, arrived: Pin<&mut Notified<'_>>, visibility: Duration) -> Vec<Leased> {
        arrived.enable();
        self.take(visibility)
    }

    /// Takes jobs as soon as there are some; none when it is `end`.
    pub(crate) async fn wait(mut self, visibility: Duration, end: Instant) -> Vec<Leased> {
        loop {
            let mut arrived = pin!(self.desk.arrived.notified());
            let taken = self.take_or_listen(arrived.as_mut(), visibility);
            if !taken.is_empty() {
                return taken;
            }
            tokio::select! {
                () = arrived => {}
                () = tokio::time::sleep_until(end) => return Vec::new(),
            }
        }
    }
}

impl Desk {
    /// A desk that holds at most `limit` jobs.
    pub(crate) fn new(limit: u16) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            leases: HashMap::new(),
            wanted: 0,
            invited: 0,
            bound: 0,
            generation: 0,
            balance: Balance::Even,
            session: Uuid::now_v7(),
            issued: 0,
        };
        Self {
            state: Mutex::new(state),
            arrived: Notify::new(),
            changed: Notify::new(),
            deadlines: Notify::new(),
            limit: limit.into(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares what is wanted with what there is, after every change.
    fn weigh(&self, state: &mut State) {
        let (have, wanted) = (state.have(), state.wanted);
        if have <= wanted {
            state.balance = Balance::Even;
            if have < wanted {
                self.changed.notify_one();
            }
        } else if state.balance == Balance::Even {
            state.balance = Balance::Surplus(Instant::now());
            self.changed.notify_one();
        }
    }

    /// Wants up to `count` jobs.
    pub(crate) fn ask(&self, count: usize) -> Asking<'_> {
        let mut state = self.lock();
        let counted = count.min(self.limit);
        state.wanted += counted;
        self.weigh(&mut state);
        Asking { desk: self, count, counted }
    }

    /// What is to be done about the consumers.
    pub(crate) fn plan(&self) -> Plan {
        let state = self.lock();
        let held = state.leases.len() + state.have();
        let missing = state.wanted.saturating_sub(state.have()).min(self.limit.saturating_sub(held));
        if let Some(missing) = u16::try_from(missing).ok().filter(|missing| *missing > 0) {
            return Plan::Invite(missing);
        }
        match state.balance {
            Balance::Even => Plan::Rest,
            Balance::Surplus(since) if since.elapsed() >= LINGER => Plan::Recall,
            Balance::Surplus(since) => Plan::RestUntil(since + LINGER),
        }
    }

    /// So many more jobs may come.
    pub(crate) fn invited(&self, count: u16) {
        let mut state = self.lock();
        state.invited += usize::from(count);
        self.weigh(&mut state);
    }

    /// The consumers that jobs come through now.
    pub(crate) fn generation(&self) -> u64 {
        self.lock().generation
    }

    /// From now on no job is invited: what still comes came before.
    pub(crate) fn recall(&self) {
        let mut state = self.lock();
        state.generation += 1;
        (state.invited, state.bound) = (0, 0);
        self.weigh(&mut state);
    }

    /// The jobs that nobody wants, in their order.
    pub(crate) fn surplus(&self) -> Vec<Arrived> {
        let mut state = self.lock();
        let wanted = state.wanted.min(state.waiting.len());
        let surplus: Vec<_> = state.waiting.drain(wanted..).collect();
        for arrived in &surplus {
            state.unbind(arrived);
        }
        self.weigh(&mut state);
        surplus
    }

    /// Puts jobs there for those who wait.
    pub(crate) fn arrive(&self, jobs: Vec<Arrived>) {
        let mut state = self.lock();
        let count = jobs.len();
        for arrived in jobs {
            if arrived.generation == state.generation {
                state.bound += 1;
            }
            state.waiting.push_back(arrived);
        }
        self.weigh(&mut state);
        drop(state);
        for _ in 0..count {
            self.arrived.notify_one();
        }
    }

    /// Ends a lease that still runs; whoever gets the job settles it.
    pub(crate) fn settle(&self, lease: &Lease, operation: &'static str) -> Result<Arrived> {
        let mut state = self.lock();
        running(&state, lease, operation)?;
        let Some(held) = state.leases.remove(lease.token()) else { return Err(lost(lease, operation)) };
        state.unbind(&held.arrived);
        self.weigh(&mut state);
        Ok(held.arrived)
    }

    /// The job of a lease that still runs.
    pub(crate) fn look(&self, lease: &Lease, operation: &'static str) -> Result<Counted> {
        let state = self.lock();
        running(&state, lease, operation)?;
        let held = state.leases.get(lease.token()).ok_or_else(|| lost(lease, operation))?;
        Ok(held.arrived.counted.clone())
    }

    /// Keeps a lease that still runs.
    pub(crate) fn extend(&self, lease: &Lease, by: Duration, operation: &'static str) -> Result<()> {
        let mut state = self.lock();
        running(&state, lease, operation)?;
        let Some(held) = state.leases.get_mut(lease.token()) else { return Err(lost(lease, operation)) };
        held.until = after(by);
        drop(state);
        self.deadlines.notify_one();
        Ok(())
    }

    /// Ends the leases that have run out; the next one runs out at the instant.
    pub(crate) fn expire(&self) -> (Vec<Arrived>, Instant) {
        let mut state = self.lock();
        let now = Instant::now();
        let over: Vec<String> = state
            .leases
            .iter()
            .filter(|(_, held)| held.until <= now)
            .map(|(token, _)| token.clone())
            .collect();
        let mut expired = Vec::with_capacity(over.len());
        for token in over {
            if let Some(held) = state.leases.remove(&token) {
                state.unbind(&held.arrived);
                expired.push(held.arrived);
            }
        }
        let next = state.leases.values().map(|held| held.until).min();
        self.weigh(&mut state);
        (expired, next.unwrap_or_else(|| after(Duration::MAX)))
    }

    /// How many jobs wait here, and how many are leased.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.lock();
        (state.waiting.len() as u64, state.leases.len() as u64)
    }
}

fn running(state: &State, lease: &Lease, operation: &'static str) -> Result<()> {
    let held = state.leases.get(lease.token());
    let running = held.is_some_and(|held| {
        held.until > Instant::now() && held.arrived.counted.job.execution_id == *lease.execution_id()
    });
    if running { Ok(()) } else { Err(lost(lease, operation)) }
}

/// What a call answers that comes too late.
pub(crate) fn lost(lease: &Lease, operation: &'static str) -> Error {
    Error::conflict("the lease has run out or was settled, or the connection broke through which it was held")
        .during(operation)
        .with("execution", lease.execution_id())
}

/// The instant `wait` from now. A time beyond what the clock can say is as good as never.
pub(crate) fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    let far = Duration::from_secs(60 * 60 * 24 * 365);
    now + wait.min(far)
}

#[cfg(test)]
mod tests {
    use agent_gateway_core::{Timestamp, id::ExecutionId, ports::queue::Job};
    use futures::poll;
    use lapin::message::Delivery;

    use super::*;

    fn arrived(tag: u64) -> Arrived {
        let job = Job::new(ExecutionId::generate(), Timestamp::UNIX_EPOCH);
        let acker = Delivery::mock(tag, "".into(), "".into(), false, Vec::new()).acker;
        Arrived { acker, counted: Counted { job, deliveries: 1 }, generation: 0 }
    }

    #[tokio::test]
    async fn jobs_that_come_while_several_look_wake_each_of_them() {
        let desk = Desk::new(8);
        let (mut one, mut two) = (desk.ask(1), desk.ask(1));
        let (mut first, mut second) = (pin!(desk.arrived.notified()), pin!(desk.arrived.notified()));
        assert_eq!(one.take_or_listen(first.as_mut(), Duration::MAX).len(), 0);
        assert_eq!(two.take_or_listen(second.as_mut(), Duration::MAX).len(), 0);
        // Both have looked, and neither waits yet.
        desk.arrive(vec![arrived(1), arrived(2)]);
        assert!(poll!(first.as_mut()).is_ready() && poll!(second.as_mut()).is_ready());
        assert_eq!((one.take(Duration::MAX).len(), two.take(Duration::MAX).len()), (1, 1));
    }
}
