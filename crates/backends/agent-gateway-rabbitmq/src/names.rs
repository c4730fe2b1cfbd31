//! What things on the broker are called, and which delay queue serves which delay.
use std::time::Duration;

use lapin::types::ShortString;

/// The seconds of the longest delay queue: 18 hours.
const LONGEST: u64 = 1 << 16;
/// The longest delay of a redelivery.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(LONGEST);

/// Names of everything that belongs to one queue.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    queue: String,
}

impl Names {
    /// The queue's name must be checked.
    pub(crate) fn new(queue: &str) -> Self {
        Self { queue: queue.to_owned() }
    }

    pub(crate) fn queue(&self) -> ShortString {
        self.queue.as_str().into()
    }

    pub(crate) fn dead_exchange(&self) -> ShortString {
        format!("{}.dlx", self.queue).into()
    }

    pub(crate) fn dead_queue(&self) -> ShortString {
        format!("{}.dead-letter", self.queue).into()
    }

    pub(crate) fn cancel_exchange(&self) -> ShortString {
        format!("{}.cancel", self.queue).into()
    }

    /// The delay queue whose jobs wait for at most this many seconds.
    pub(crate) fn delay_queue(&self, seconds: u64) -> ShortString {
        format!("{}.delay.{seconds}", self.queue).into()
    }
}

/// The seconds of all delay queues: powers of two.
pub(crate) fn delays() -> impl Iterator<Item = u64> {
    (0..=LONGEST.ilog2()).map(|power| 1 << power)
}

/// The seconds of the shortest delay queue that can hold a delay up to [`LONGEST_DELAY`].
pub(crate) fn delay_for(delay: Duration) -> u64 {
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    seconds.max(1).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delay_has_a_queue_of_less_than_twice_its_time() {
        let all: Vec<u64> = delays().collect();
        assert_eq!((all[0], all[all.len() - 1]), (1, LONGEST));
        for (millis, seconds) in [
            (0, 1),
            (1, 1),
            (1000, 1),
            (1001, 2),
            (2000, 2),
            (33_000, 64),
            (60_000, 64),
            (65_536_000, LONGEST),
        ] {
            let delay = Duration::from_millis(millis);
            assert_eq!(delay_for(delay), seconds, "{delay:?}");
            assert!(all.contains(&seconds));
        }
    }
}
