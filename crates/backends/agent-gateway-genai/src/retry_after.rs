//! How long a provider asks to wait.
use std::time::Duration;

use agent_gateway_core::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Reads `retry-after-ms`, or `retry-after` as seconds or as an HTTP date. A date in the past asks for no wait.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.trim());
    if let Some(wait) = text("retry-after-ms").and_then(|text| duration(text, 1e-3)) {
        return Some(wait);
    }
    let text = text(RETRY_AFTER.as_str())?;
    duration(text, 1.0).or_else(|| {
        let at = DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Duration::try_from(at.duration_since(now)).unwrap_or_default())
    })
}

fn duration(number: &str, unit: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &'static str, value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        read(&headers, "2026-03-01T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn both_forms_are_read() {
        let seconds = |count| Some(Duration::from_secs(count));
        assert_eq!(read_one("retry-after", "7"), seconds(7));
        assert_eq!(read_one("retry-after", " 0 "), seconds(0));
        assert_eq!(read_one("retry-after", "Sun, 01 Mar 2026 12:00:20 GMT"), seconds(20));
        assert_eq!(read_one("retry-after", "Sun, 01 Mar 2026 11:00:00 GMT"), seconds(0));
        assert_eq!(read_one("retry-after-ms", "250"), Some(Duration::from_millis(250)));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for text in ["", "soon", "-5", "NaN", "inf", "1e300", "Sun, 99 Mar 2026 12:00:20 GMT"] {
            assert_eq!(read_one("retry-after", text), None, "{text}");
        }
    }
}
