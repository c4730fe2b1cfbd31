//! How long a call may take, and how often it is made again. The time for connecting belongs to the HTTP client.
use std::time::Duration;

/// The limits of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until the provider says something: 60 s.
    pub first_byte: Duration,
    /// Between two pieces of an answer that has begun: 30 s.
    pub idle: Duration,
    /// For the whole call, its retries included: 300 s.
    pub total: Duration,
    /// Attempts in all, the first included: 3.
    pub attempts: u32,
    /// The pause after the first failure, doubled after each further one: 0.5 s.
    pub first_pause: Duration,
    /// The longest such pause: 8 s.
    pub longest_pause: Duration,
    /// The longest pause that a provider may ask for: 30 s. When it asks for more, the call fails at once and says so.
    pub longest_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(300),
            attempts: 3,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(8),
            longest_wait: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// The pause after failure number `failures` (from 1). A random half of it is taken off, so that callers that failed
    /// together do not come back together.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.longest_pause).mul_f64(rand::random_range(0.5..=1.0))
    }
}
