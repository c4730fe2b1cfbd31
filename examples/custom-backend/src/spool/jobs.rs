//! What is done with jobs. Everything here blocks.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    ports::queue::{Depth, Job, Lease, Leased},
};

use super::{
    name::{Instant, Name},
    place::{Directory, Found, Place},
};

/// The most accepted and unsettled jobs.
const CAPACITY: usize = 10_000;
/// How many dead jobs are kept.
const MAX_DEAD: usize = 1_000;
/// Behind the name of a dead job: the file that says why.
const REASON: &str = ".reason";

/// The jobs in a directory.
#[derive(Debug)]
pub(super) struct Jobs(Arc<Directory>);

/// Jobs under a lease that nobody was told of yet: dropped, they go back to where they were, as if they had not been taken.
#[derive(Debug)]
pub(super) struct Taken {
    directory: Arc<Directory>,
    jobs: Vec<(Job, Name)>,
}

impl Jobs {
    pub(super) fn of(directory: Arc<Directory>) -> Self {
        Self(directory)
    }

    pub(super) fn prepare(&self) -> Result<()> {
        self.0.make()
    }

    pub(super) fn accept(&self, text: &[u8]) -> Result<()> {
        let mut unsettled = 0;
        for place in [Place::Ready, Place::Leased, Place::Delayed] {
            unsettled += self.0.jobs(place)?.len();
        }
        if unsettled >= CAPACITY {
            return Err(Error::rate_limited("the spool is full")
                .during("spool.enqueue")
                .with("limit", CAPACITY));
        }
        self.0.write(Place::Ready, &Name::new().to_string(), text)
    }

    /// Hands out at most `count` jobs.
    pub(super) fn take(&self, count: usize, visibility: Duration) -> Result<Taken> {
        self.advance()?;
        let mut taken = Taken { directory: self.0.clone(), jobs: Vec::new() };
        for ready in self.0.jobs(Place::Ready)? {
            if taken.jobs.len() >= count {
                break;
            }
            let leased = ready.delivered().at(Instant::after(visibility));
            if self.0.rename((Place::Ready, ready), (Place::Leased, leased))? == Found::Gone {
                continue;
            }
            let text = self.0.read(Place::Leased, &leased.to_string())?.unwrap_or_default();
            match serde_json::from_slice(&text) {
                Ok(job) => taken.jobs.push((job, leased)),
                // One damaged file must not stop the others.
                Err(error) => self.kill(leased, &format!("the job cannot be read: {error}"))?,
            }
        }
        Ok(taken)
    }

    /// Moves what is due to the ready ones.
    fn advance(&self) -> Result<()> {
        let now = Instant::now();
        for place in [Place::Leased, Place::Delayed] {
            for name in self.0.jobs(place)?.into_iter().take_while(|name| name.at <= now) {
                // Of several who look at the same time, one moves it.
                self.0.rename((place, name), (Place::Ready, name.at(Instant::NONE)))?;
            }
        }
        Ok(())
    }

    pub(super) fn extend(&self, lease: &Lease, by: Duration) -> Result<()> {
        let _one = self.0.settling();
        let held = self.held(lease, "spool.extend")?;
        let longer = (Place::Leased, held.at(Instant::after(by)));
        self.leave(held, longer, lease, "spool.extend")
    }

    pub(super) fn complete(&self, lease: &Lease) -> Result<()> {
        let _one = self.0.settling();
        let held = self.held(lease, "spool.complete")?;
        match self.0.remove(Place::Leased, &held.to_string())? {
            Found::Here => self.0.settle(Place::Leased),
            Found::Gone => Err(lost(lease, "spool.complete")),
        }
    }

    pub(super) fn give_back(&self, lease: &Lease) -> Result<()> {
        let _one = self.0.settling();
        let held = self.held(lease, "spool.release")?;
        self.leave(held, (Place::Ready, held.at(Instant::NONE)), lease, "spool.release")
    }

    pub(super) fn delay(&self, lease: &Lease, delay: Duration) -> Result<()> {
        let _one = self.0.settling();
        let held = self.held(lease, "spool.release")?;
        self.leave(held, (Place::Delayed, held.at(Instant::after(delay))), lease, "spool.release")
    }

    pub(super) fn bury(&self, lease: &Lease, reason: &str) -> Result<()> {
        let _one = self.0.settling();
        let held = self.held(lease, "spool.release")?;
        self.kill(held, reason)
    }

    /// The file under a lease that has not run out.
    fn held(&self, lease: &Lease, operation: &'static str) -> Result<Name> {
        let now = Instant::now();
        let leased = self.0.jobs(Place::Leased)?;
        let held = leased.into_iter().find(|name| name.token() == lease.token() && name.at > now);
        held.ok_or_else(|| lost(lease, operation))
    }

    /// Moves a leased job, unless its lease was settled or has run out meanwhile.
    fn leave(&self, held: Name, to: (Place, Name), lease: &Lease, operation: &'static str) -> Result<()> {
        match self.0.rename((Place::Leased, held), to)? {
            Found::Here => self.0.settle(to.0),
            Found::Gone => Err(lost(lease, operation)),
        }
    }

    /// Moves a leased job to the dead ones, of which the last are kept.
    fn kill(&self, held: Name, reason: &str) -> Result<()> {
        let dead = held.at(Instant::now());
        if self.0.rename((Place::Leased, held), (Place::Dead, dead))? == Found::Gone {
            return Err(Error::conflict("the lease has run out or was settled").during("spool.release"));
        }
        self.0.write(Place::Dead, &format!("{dead}{REASON}"), reason.as_bytes())?;
        let kept = self.0.jobs(Place::Dead)?;
        for name in kept.iter().take(kept.len().saturating_sub(MAX_DEAD)) {
            self.0.remove(Place::Dead, &format!("{name}{REASON}"))?;
            self.0.remove(Place::Dead, &name.to_string())?;
        }
        Ok(())
    }

    pub(super) fn depth(&self) -> Result<Depth> {
        self.advance()?;
        let count = |place| -> Result<u64> { Ok(self.0.jobs(place)?.len() as u64) };
        Ok(Depth {
            ready: count(Place::Ready)?,
            delayed: count(Place::Delayed)?,
            leased: count(Place::Leased)?,
            dead: count(Place::Dead)?,
        })
    }
}

fn lost(lease: &Lease, operation: &'static str) -> Error {
    Error::conflict("the lease has run out or was settled")
        .during(operation)
        .with("execution", lease.execution_id())
}

impl Taken {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// The jobs are the caller's from now on.
    pub(super) fn keep(mut self) -> Vec<Leased> {
        let kept = std::mem::take(&mut self.jobs).into_iter();
        kept.map(|(job, name)| Leased {
            lease: Lease::new(job.execution_id.clone(), name.token()),
            job,
            delivery: name.deliveries,
        })
        .collect()
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for (_, leased) in self.jobs.drain(..) {
            let before = Name { at: Instant::NONE, deliveries: leased.deliveries - 1, ..leased };
            // Where this fails, the lease runs out, and the job is delivered later and as a second delivery.
            let _ = self.directory.rename((Place::Leased, leased), (Place::Ready, before));
        }
    }
}
