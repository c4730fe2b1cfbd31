//! Instants on the wire.
use agent_gateway_core::Timestamp;
use jiff::{fmt::temporal::DateTimePrinter, tz::Offset};
use serde::{Serialize, Serializer};

/// An instant in UTC, such as `2026-01-02T03:04:05.123456+00:00`: always six digits, always an offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) Timestamp);

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&PRINTER.timestamp_with_offset_to_string(&self.0, Offset::UTC))
    }
}

/// Its schema.
pub(crate) fn schema() -> utoipa::openapi::schema::Object {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([
            utoipa::openapi::schema::Type::String,
            utoipa::openapi::schema::Type::Null,
        ]))
        .format(Some(utoipa::openapi::SchemaFormat::KnownFormat(utoipa::openapi::KnownFormat::DateTime)))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_six_digits_and_an_offset() {
        for (given, expected) in [
            ("2026-01-02T03:04:05.123456Z", "\"2026-01-02T03:04:05.123456+00:00\""),
            ("2026-01-02T03:04:05Z", "\"2026-01-02T03:04:05.000000+00:00\""),
        ] {
            assert_eq!(serde_json::to_string(&Instant(given.parse().unwrap())).unwrap(), expected);
        }
    }
}
