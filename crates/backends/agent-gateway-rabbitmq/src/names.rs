//! What things on the broker are called, and which delay queue serves which delay.
use std::time::Duration;

use lapin::types::ShortString;

/// The seconds of the longest delay queue: 18 hours.
const LONGEST: u64 = 1 << 16;
/// How much longer each delay queue is than the one before, as a power of two. A quorum queue is heavy: few of them, whose
/// jobs may come a little later, are better than many.
const STEP: u32 = 2;
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

/// The seconds of all delay queues: powers of four.
pub(crate) fn delays() -> impl Iterator<Item = u64> {
    (0..=LONGEST.ilog2() / STEP).map(|step| 1 << (step * STEP))
}

/// The seconds of the shortest delay queue that can hold a delay up to [`LONGEST_DELAY`].
pub(crate) fn delay_for(delay: Duration) -> u64 {
    let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
    let power = seconds.max(1).next_power_of_two().ilog2();
    1 << power.next_multiple_of(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delay_has_a_queue_of_less_than_four_times_its_time() {
        let all: Vec<u64> = delays().collect();
        assert_eq!(all, [1, 4, 16, 64, 256, 1024, 4096, 16_384, LONGEST]);
        for (millis, seconds) in [
            (0, 1),
            (1, 1),
            (1000, 1),
            (1001, 4),
            (4000, 4),
            (4001, 16),
            (16_001, 64),
            (60_000, 64),
            (65_536_000, LONGEST),
        ] {
            let delay = Duration::from_millis(millis);
            assert_eq!(delay_for(delay), seconds, "{delay:?}");
            assert!(all.contains(&seconds));
            assert!(seconds == 1 || Duration::from_secs(seconds) < delay * 4, "{delay:?}");
        }
    }
}
