//! Values in and rows out.
use agent_gateway_core::{Error, Result, Timestamp};
use agent_gateway_sql::{Columns, Value, parse_time, time_text};
use sqlx::{
    Arguments, Decode, Row as _, Sqlite,
    sqlite::{SqliteArguments, SqliteRow},
};

/// A row of the driver.
#[derive(Debug)]
pub(crate) struct Row(pub(crate) SqliteRow);

impl Row {
    /// Old rows may hold a value of another type than the column's, so SQLite's own conversion decides and not the type.
    fn value<T: for<'r> Decode<'r, Sqlite>>(&self, column: &'static str) -> Result<Option<T>> {
        self.0.try_get_unchecked(column).map_err(|error| {
            Error::unexpected("a stored value cannot be read").with("column", column).caused_by(error)
        })
    }
}

impl Columns for Row {
    fn text(&self, column: &'static str) -> Result<Option<String>> {
        self.value(column)
    }

    fn int(&self, column: &'static str) -> Result<Option<i64>> {
        self.value(column)
    }

    fn float(&self, column: &'static str) -> Result<Option<f64>> {
        self.value(column)
    }

    fn flag(&self, column: &'static str) -> Result<Option<bool>> {
        self.value(column)
    }

    fn time(&self, column: &'static str) -> Result<Option<Timestamp>> {
        self.text(column)?.map(|text| parse_time(&text)).transpose()
    }
}

/// Adds a value to the arguments of a statement.
pub(crate) fn bind(args: &mut SqliteArguments, value: &Value) -> Result<(), sqlx::Error> {
    let added = match value {
        Value::Null => args.add(None::<i64>),
        Value::Int(number) => args.add(*number),
        Value::Float(number) => args.add(*number),
        Value::Flag(flag) => args.add(*flag),
        Value::Text(text) | Value::Json(text) => args.add(text.clone()),
        Value::Time(at) => args.add(time_text(*at)),
        other => Err(format!("SQLite has no such value: {other:?}").into()),
    };
    added.map_err(sqlx::Error::Encode)
}

/// The arguments of a statement.
pub(crate) fn arguments<'v>(
    values: impl IntoIterator<Item = &'v Value>,
) -> Result<SqliteArguments, sqlx::Error> {
    let mut args = SqliteArguments::default();
    for value in values {
        bind(&mut args, value)?;
    }
    Ok(args)
}
