//! The jobs of a queue and where each one stands. Knows nothing of waiting.
use std::collections::{BTreeMap, HashMap, VecDeque};

use tokio::time::Instant;

use super::DeadJob;
use crate::ports::queue::{Depth, Job, Lease, Leased};

/// How many dead jobs are kept.
const MAX_DEAD: usize = 1_000;

/// Every accepted job is in exactly one of the places.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    ready: VecDeque<Entry>,
    leased: HashMap<u64, Held>,
    dead: VecDeque<DeadJob>,
    /// What happens at which instant; the number tells equal instants apart.
    timers: BTreeMap<(Instant, u64), Timer>,
    /// Counts leases and delays, so that each one has a number of its own.
    last: u64,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    deliveries: u32,
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    until: Instant,
}

#[derive(Debug)]
enum Timer {
    /// The lease of this number runs out.
    Expiry,
    /// A delayed job is due.
    Due(Entry),
}

/// What becomes of a leased job.
#[derive(Debug)]
pub(super) enum Release {
    Done,
    Now,
    At(Instant),
    Dead(String),
}

impl Jobs {
    pub(super) fn accept(&mut self, job: Job) {
        self.ready.push_back(Entry { job, deliveries: 0 });
    }

    /// Jobs accepted and not settled.
    pub(super) fn unsettled(&self) -> usize {
        // Each lease has one timer, each delayed job too.
        self.ready.len() + self.timers.len()
    }

    /// Moves what is due by `now` to the ready ones.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some(first) = self.timers.first_entry().filter(|first| first.key().0 <= now) {
            let ((_, number), timer) = first.remove_entry();
            let entry = match timer {
                Timer::Due(entry) => Some(entry),
                Timer::Expiry => self.leased.remove(&number).map(|held| held.entry),
            };
            self.ready.extend(entry);
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Hands out the first `count` jobs until `until`.
    pub(super) fn take(&mut self, count: usize, until: Instant) -> Vec<Leased> {
        let count = count.min(self.ready.len());
        let mut taken = Vec::with_capacity(count);
        for mut entry in self.ready.drain(..count) {
            self.last += 1;
            entry.deliveries = entry.deliveries.saturating_add(1);
            taken.push(Leased {
                job: entry.job.clone(),
                lease: Lease::new(entry.job.execution_id.clone(), self.last.to_string()),
                delivery: entry.deliveries,
            });
            self.timers.insert((until, self.last), Timer::Expiry);
            self.leased.insert(self.last, Held { entry, until });
        }
        taken
    }

    /// Answers whether the lease is held; then it is kept until `until`.
    pub(super) fn extend(&mut self, lease: &Lease, until: Instant) -> bool {
        let Some(number) = self.number(lease) else { return false };
        let Some(held) = self.leased.get_mut(&number) else { return false };
        self.timers.remove(&(held.until, number));
        self.timers.insert((until, number), Timer::Expiry);
        held.until = until;
        true
    }

    /// Answers whether the lease is held; then its job goes where `release` says.
    pub(super) fn release(&mut self, lease: &Lease, release: Release) -> bool {
        let Some(number) = self.number(lease) else { return false };
        let Some(Held { entry, until }) = self.leased.remove(&number) else { return false };
        self.timers.remove(&(until, number));
        match release {
            Release::Done => {}
            Release::Now => self.ready.push_back(entry),
            Release::At(at) => {
                self.last += 1;
                self.timers.insert((at, self.last), Timer::Due(entry));
            }
            Release::Dead(reason) => {
                if self.dead.len() == MAX_DEAD {
                    self.dead.pop_front();
                }
                self.dead.push_back(DeadJob { job: entry.job, reason, deliveries: entry.deliveries });
            }
        }
        true
    }

    pub(super) fn dead(&self) -> Vec<DeadJob> {
        self.dead.iter().cloned().collect()
    }

    pub(super) fn depth(&self) -> Depth {
        Depth {
            ready: self.ready.len() as u64,
            delayed: (self.timers.len() - self.leased.len()) as u64,
            leased: self.leased.len() as u64,
            dead: self.dead.len() as u64,
        }
    }

    /// The number of a lease that is held.
    fn number(&self, lease: &Lease) -> Option<u64> {
        let number = lease.token().parse().ok()?;
        let held = self.leased.get(&number)?;
        (held.entry.job.execution_id == *lease.execution_id()).then_some(number)
    }
}
