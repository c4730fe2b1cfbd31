//! Values in and rows out, in PostgreSQL's binary form. <https://www.postgresql.org/docs/current/protocol-overview.html>
use agent_gateway_core::{Error, Result, Timestamp};
use agent_gateway_sql::{Columns, Kind, Value};
use sqlx::{
    Arguments, Encode, Postgres, Row as _, Type, ValueRef,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgRow, PgTypeInfo, PgValueRef, types::Oid},
};

use crate::text::{read_json, read_text, store_json, store_text};

/// Microseconds from 1970, where ours begin, to 2000, where PostgreSQL's do.
const EPOCH: i64 = 946_684_800_000_000;

/// The numbers of types, which never change: `pg_type.dat` of PostgreSQL's source.
mod oid {
    pub(super) const UNKNOWN: u32 = 0;
    pub(super) const BOOL: u32 = 16;
    pub(super) const INT8: u32 = 20;
    pub(super) const TEXT: u32 = 25;
    pub(super) const JSON: u32 = 114;
    pub(super) const FLOAT8: u32 = 701;
    pub(super) const TIMESTAMPTZ: u32 = 1184;
    pub(super) const JSONB: u32 = 3802;
}

/// A row of the driver.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) PgRow);

impl Row {
    /// The bytes of a column and what `read` makes of them; `None` for null.
    fn value<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&PgValueRef<'_>) -> std::result::Result<T, BoxDynError>,
    ) -> Result<Option<T>> {
        let unreadable = |error: BoxDynError| {
            Error::unexpected("a stored value cannot be read").with("column", column).caused_by(error)
        };
        let value = self.0.try_get_raw(column).map_err(|error| unreadable(error.into()))?;
        if value.is_null() {
            return Ok(None);
        }
        read(&value).map(Some).map_err(unreadable)
    }
}

impl Columns for Row {
    fn text(&self, column: &'static str) -> Result<Option<String>> {
        self.value(column, |value| {
            let bytes = value.as_bytes()?;
            Ok(match value.type_info().oid().map(|oid| oid.0) {
                Some(oid::JSON) => read_json(std::str::from_utf8(bytes)?),
                // The number of its version comes first.
                Some(oid::JSONB) => read_json(std::str::from_utf8(bytes.get(1..).unwrap_or_default())?),
                _ => read_text(std::str::from_utf8(bytes)?),
            })
        })
    }

    fn int(&self, column: &'static str) -> Result<Option<i64>> {
        self.value(column, |value| match value.as_bytes()? {
            &[a, b] => Ok(i16::from_be_bytes([a, b]).into()),
            &[a, b, c, d] => Ok(i32::from_be_bytes([a, b, c, d]).into()),
            bytes => Ok(i64::from_be_bytes(bytes.try_into()?)),
        })
    }

    fn float(&self, column: &'static str) -> Result<Option<f64>> {
        self.value(column, |value| match value.as_bytes()? {
            &[a, b, c, d] => Ok(f32::from_be_bytes([a, b, c, d]).into()),
            bytes => Ok(f64::from_be_bytes(bytes.try_into()?)),
        })
    }

    fn flag(&self, column: &'static str) -> Result<Option<bool>> {
        self.value(column, |value| match value.as_bytes()? {
            [byte] => Ok(*byte != 0),
            _ => Err("not a truth value".into()),
        })
    }

    /// An instant, also one of a column without a zone, where the reference wrote UTC.
    fn time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        self.value(column, |value| {
            let micros = i64::from_be_bytes(value.as_bytes()?.try_into()?);
            let since = micros.checked_add(EPOCH).ok_or("not a moment")?;
            Ok(Timestamp::from_microsecond(since)?)
        })
    }
}

/// The arguments of a statement.
pub(crate) fn arguments(values: &[Value]) -> std::result::Result<PgArguments, sqlx::Error> {
    let mut args = PgArguments::default();
    for value in values {
        args.add(Bound(value)).map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

/// The arguments of a statement that takes rows: an array for each column.
pub(crate) fn arrays(kinds: &[Kind], rows: &[&[Value]]) -> std::result::Result<PgArguments, sqlx::Error> {
    let mut args = PgArguments::default();
    for (place, kind) in kinds.iter().enumerate() {
        args.add(Array { kind: *kind, place, rows }).map_err(sqlx::Error::Encode)?;
    }
    Ok(args)
}

/// One value.
struct Bound<'v>(&'v Value);

impl Type<Postgres> for Bound<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(oid::UNKNOWN))
    }
}

impl Encode<'_, Postgres> for Bound<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
        write(self.0, buffer)
    }

    /// What a null is, the server finds out.
    fn produces(&self) -> Option<PgTypeInfo> {
        let oid = match self.0 {
            Value::Int(_) => element(Kind::Int),
            Value::Float(_) => element(Kind::Float),
            Value::Flag(_) => element(Kind::Flag),
            Value::Text(_) => element(Kind::Text),
            Value::Time(_) => element(Kind::Time),
            Value::Json(_) => element(Kind::Json),
            _ => oid::UNKNOWN,
        };
        Some(PgTypeInfo::with_oid(Oid(oid)))
    }
}

/// The values of one column.
struct Array<'v> {
    kind: Kind,
    place: usize,
    rows: &'v [&'v [Value]],
}

impl Type<Postgres> for Array<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(oid::UNKNOWN))
    }
}

impl Encode<'_, Postgres> for Array<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
        // One dimension, with nulls, of this type, so many, counted from 1.
        for word in [1, 1, element(self.kind), u32::try_from(self.rows.len())?, 1] {
            buffer.extend_from_slice(&word.to_be_bytes());
        }
        for row in self.rows {
            let start = buffer.len();
            buffer.extend_from_slice(&(-1_i32).to_be_bytes());
            let value = row.get(self.place).ok_or("a row lacks a value")?;
            if let IsNull::No = write(value, buffer)? {
                let length = i32::try_from(buffer.len() - start - 4)?;
                buffer[start..start + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        let oid = match self.kind {
            Kind::Int => 1016,
            Kind::Float => 1022,
            Kind::Flag => 1000,
            Kind::Text => 1009,
            Kind::Time => 1185,
            Kind::Json => 199,
        };
        Some(PgTypeInfo::with_oid(Oid(oid)))
    }
}

fn element(kind: Kind) -> u32 {
    match kind {
        Kind::Int => oid::INT8,
        Kind::Float => oid::FLOAT8,
        Kind::Flag => oid::BOOL,
        Kind::Text => oid::TEXT,
        Kind::Time => oid::TIMESTAMPTZ,
        Kind::Json => oid::JSON,
    }
}

fn write(value: &Value, buffer: &mut PgArgumentBuffer) -> std::result::Result<IsNull, BoxDynError> {
    match value {
        Value::Null => return Ok(IsNull::Yes),
        Value::Int(number) => buffer.extend_from_slice(&number.to_be_bytes()),
        Value::Float(number) => buffer.extend_from_slice(&number.to_be_bytes()),
        Value::Flag(flag) => buffer.push(u8::from(*flag)),
        Value::Text(text) => buffer.extend_from_slice(store_text(text).as_bytes()),
        Value::Json(text) => buffer.extend_from_slice(store_json(text).as_bytes()),
        Value::Time(at) => buffer.extend_from_slice(&(at.as_microsecond() - EPOCH).to_be_bytes()),
        other => return Err(format!("PostgreSQL has no such value: {other:?}").into()),
    }
    Ok(IsNull::No)
}
