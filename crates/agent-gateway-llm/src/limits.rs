//! How long a call may take, and how often it is made again.
use std::time::Duration;

/// The time that a call may take. The engine has a deadline of its own beside these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands: 10 s.
    pub connect: Duration,
    /// Until a streamed answer says something: 60 s. An answer in one piece says nothing before it is complete, so for it
    /// `total` alone counts.
    pub first_byte: Duration,
    /// Between two pieces of an answer that has begun: 30 s.
    pub idle: Duration,
    /// For the whole call, its retries included: 300 s.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(300),
        }
    }
}

/// How often a call is made again, and after which pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in all, the first included: 3.
    pub attempts: u32,
    /// The pause after the first failure, doubled after each further one: 0.5 s.
    pub first_pause: Duration,
    /// The longest such pause: 8 s.
    pub longest_pause: Duration,
    /// The longest pause that a provider may ask for: 30 s. When it asks for more, the call fails at once and says so.
    pub longest_wait: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 3,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl Retries {
    /// The pause after failure number `failures` (from 1). A random half of it is taken off, so that callers that failed
    /// together do not come back together.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.longest_pause).mul_f64(rand::random_range(0.5..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let retries = Retries::default();
        for (failures, longest) in
            [(1, 500), (2, 1_000), (3, 2_000), (5, 8_000), (6, 8_000), (u32::MAX, 8_000)]
        {
            let longest = Duration::from_millis(longest);
            let pause = retries.pause(failures);
            assert!(pause >= longest / 2 && pause <= longest, "{failures}: {pause:?}");
        }
    }
}
