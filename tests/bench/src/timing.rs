//! Latencies of one run, all of them: a bench is short, and percentiles of a sample need no trust.

use std::time::Duration;

use serde_json::json;

/// What the connections saw.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Microseconds, one for each good answer.
    latencies: Vec<u32>,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

impl Tally {
    pub(crate) fn good(&mut self, latency: Duration) {
        self.latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn bad(&mut self, error: String) {
        self.errors += 1;
        self.first_error.get_or_insert(error);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    pub(crate) fn report(mut self, took: Duration) -> Report {
        self.latencies.sort_unstable();
        let good = self.latencies.len();
        Report {
            requests: good as u64 + self.errors,
            errors: self.errors,
            first_error: self.first_error,
            seconds: took.as_secs_f64(),
            rps: f64::from(u32::try_from(good).unwrap_or(u32::MAX)) / took.as_secs_f64(),
            p50_ms: percentile(&self.latencies, 50),
            p99_ms: percentile(&self.latencies, 99),
            max_ms: percentile(&self.latencies, 100),
        }
    }
}

/// The smallest latency that `percent` of all do not exceed, in milliseconds; 0 when there is none.
fn percentile(sorted: &[u32], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    let micros = rank.checked_sub(1).and_then(|index| sorted.get(index)).copied().unwrap_or_default();
    f64::from(micros) / 1000.0
}

/// The figures of one run.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    seconds: f64,
    /// Good answers only.
    pub(crate) rps: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Report {
    pub(crate) fn json(&self) -> String {
        json!({
            "requests": self.requests,
            "errors": self.errors,
            "first_error": self.first_error,
            "seconds": self.seconds,
            "rps": self.rps,
            "p50_ms": self.p50_ms,
            "p99_ms": self.p99_ms,
            "max_ms": self.max_ms,
        })
        .to_string()
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} requests in {:.1} s, {} errors: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            self.requests, self.seconds, self.errors, self.rps, self.p50_ms, self.p99_ms, self.max_ms
        );
        if let Some(error) = &self.first_error {
            text.push_str("\nfirst error: ");
            text.push_str(error);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let mut tally = Tally::default();
        for millis in (1..=200).rev() {
            tally.good(Duration::from_millis(millis));
        }
        let report = tally.report(Duration::from_secs(2));
        assert_eq!((report.p50_ms, report.p99_ms, report.max_ms), (100.0, 198.0, 200.0));
        assert_eq!((report.requests, report.rps), (200, 100.0));
    }

    #[test]
    fn errors_are_counted_and_the_first_is_kept() {
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.good(Duration::from_millis(1));
        two.bad("refused".into());
        two.bad("later".into());
        one.merge(two);
        let report = one.report(Duration::from_secs(1));
        assert_eq!((report.requests, report.errors, report.rps), (3, 2, 1.0));
        assert_eq!(report.first_error.as_deref(), Some("refused"));
        assert_eq!(percentile(&[], 99), 0.0);
    }
}
