//! Instants as text, for engines without a type for them: UTC, always with six decimals, so that texts sort as instants do.
use std::fmt::Write;

use agent_gateway_core::{Error, Result, Timestamp, clock::to_micros};
use jiff::{civil::DateTime, tz::Offset};

/// `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
#[must_use]
pub fn time_text(at: Timestamp) -> String {
    let at = Offset::UTC.to_datetime(at);
    let mut text = String::with_capacity(26);
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.subsec_nanosecond() / 1_000
    );
    text
}

/// Reads [`time_text`], the same without decimals, and ISO 8601 with `T`; without a zone or offset it is UTC.
pub fn parse_time(text: &str) -> Result<Timestamp> {
    // A civil time would be read from a text with an offset too, and the offset ignored.
    let zoned = text.get(10..).is_some_and(|time| time.contains(['Z', 'z', '+', '-']));
    let instant = if zoned {
        text.parse::<Timestamp>()
    } else {
        text.parse::<DateTime>().and_then(|civil| Offset::UTC.to_timestamp(civil))
    };
    instant.map(to_micros).map_err(|error| {
        Error::unexpected("a stored instant cannot be read").with("text", text).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_keep_microseconds() {
        let at: Timestamp = "2025-03-04T05:06:07.000089Z".parse().unwrap();
        assert_eq!(time_text(at), "2025-03-04 05:06:07.000089");
        assert_eq!(parse_time(&time_text(at)).unwrap(), at);
    }

    #[test]
    fn every_stored_form_is_read_as_utc() {
        let at: Timestamp = "2025-03-04T05:06:07Z".parse().unwrap();
        for text in [
            "2025-03-04 05:06:07",
            "2025-03-04 05:06:07.000000",
            "2025-03-04T05:06:07",
            "2025-03-04T05:06:07Z",
            "2025-03-04T05:06:07.000000+00:00",
            "2025-03-04 07:06:07+02:00",
        ] {
            assert_eq!(parse_time(text).unwrap(), at, "{text}");
        }
        assert!(parse_time("yesterday").is_err());
    }
}
