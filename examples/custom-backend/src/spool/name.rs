//! The name of a job's file: everything about the job that changes.
use std::{fmt, str::FromStr, time::Duration};

use agent_gateway_core::clock::{Clock, SystemClock};
use uuid::Uuid;

/// Keeps a time that nobody can mean within what a name can hold.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// `<at>.<id>.<deliveries>`. Names of one place sort by time, and by the order of acceptance where the time is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    /// When something happens to it: the lease runs out, the delay is over. [`Instant::NONE`] for ready jobs.
    pub(super) at: Instant,
    /// Rises with every accepted job. It stays the same for the job's life.
    pub(super) id: Uuid,
    /// How often the job was handed out.
    pub(super) deliveries: u32,
}

/// A time of day in microseconds, which other processes can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(u64);

impl Instant {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn now() -> Self {
        Self(SystemClock.now().as_microsecond().try_into().unwrap_or_default())
    }

    pub(super) fn after(time: Duration) -> Self {
        let micros = u64::try_from(time.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
        Self(Self::now().0.saturating_add(micros))
    }
}

impl Name {
    /// The name of a new job.
    pub(super) fn new() -> Self {
        Self { at: Instant::NONE, id: Uuid::now_v7(), deliveries: 0 }
    }

    /// The same job, for which something happens at another time.
    pub(super) fn at(self, at: Instant) -> Self {
        Self { at, ..self }
    }

    /// The same job, handed out once more.
    pub(super) fn delivered(self) -> Self {
        Self { deliveries: self.deliveries.saturating_add(1), ..self }
    }

    /// What a lease says of one delivery. It stays the same when the lease is extended.
    pub(super) fn token(self) -> String {
        format!("{}.{}", self.id, self.deliveries)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}.{}.{}", self.at.0, self.id, self.deliveries)
    }
}

/// The file is not a job.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stranger;

impl FromStr for Name {
    type Err = Stranger;

    fn from_str(text: &str) -> Result<Self, Stranger> {
        let mut parts = text.split('.');
        let (Some(at), Some(id), Some(deliveries), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Stranger);
        };
        Ok(Self {
            at: Instant(at.parse().map_err(|_| Stranger)?),
            id: id.parse().map_err(|_| Stranger)?,
            deliveries: deliveries.parse().map_err(|_| Stranger)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let name = Name::new().delivered().at(Instant::after(Duration::MAX));
        assert_eq!(name.to_string().parse(), Ok(name));
        for stranger in ["", "a.b.c", &format!("{name}.reason"), ".DS_Store"] {
            assert_eq!(stranger.parse::<Name>(), Err(Stranger), "{stranger}");
        }
    }

    #[test]
    fn names_sort_by_time_and_then_by_acceptance() {
        let accepted: Vec<Name> = (0..1_000).map(|_| Name::new()).collect();
        let texts: Vec<String> = accepted.iter().map(ToString::to_string).collect();
        assert!(accepted.is_sorted() && texts.is_sorted());
        assert!(Name::new().at(Instant::now()) < Name::new().at(Instant::after(Duration::from_secs(1))));
    }
}
