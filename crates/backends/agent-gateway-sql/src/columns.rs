//! Reading a row without knowing its driver.
use std::str::FromStr;

use agent_gateway_core::{Error, JsonMap, Result, Timestamp};
use serde::de::DeserializeOwned;

/// A row whose columns are read by name. A column that the statement did not select is `Unexpected`.
pub trait Columns {
    /// A text; `None` for null.
    fn text(&self, column: &'static str) -> Result<Option<String>>;
    /// A whole number; `None` for null.
    fn int(&self, column: &'static str) -> Result<Option<i64>>;
    /// A number; `None` for null.
    fn float(&self, column: &'static str) -> Result<Option<f64>>;
    /// A truth value; `None` for null.
    fn flag(&self, column: &'static str) -> Result<Option<bool>>;
    /// An instant; `None` for null.
    fn time(&self, column: &'static str) -> Result<Option<Timestamp>>;
}

/// Readings that every row can give.
pub trait RowExt: Columns {
    /// A text that must be there.
    fn need_text(&self, column: &'static str) -> Result<String> {
        self.text(column)?.ok_or_else(|| missing(column))
    }

    /// A count or a number of ours, 0 when it is null.
    fn count(&self, column: &'static str) -> Result<u64> {
        let number = self.int(column)?.unwrap_or_default();
        u64::try_from(number).map_err(|_| unreadable(column).with("number", number))
    }

    /// An instant that must be there.
    fn need_time(&self, column: &'static str) -> Result<Timestamp> {
        self.time(column)?.ok_or_else(|| missing(column))
    }

    /// A checked word, such as an id.
    fn word<T: FromStr<Err = Error>>(&self, column: &'static str) -> Result<Option<T>> {
        self.text(column)?.map(|text| read_word(column, &text)).transpose()
    }

    /// A checked word that must be there.
    fn need_word<T: FromStr<Err = Error>>(&self, column: &'static str) -> Result<T> {
        self.word(column)?.ok_or_else(|| missing(column))
    }

    /// JSON. Null and the JSON text `null` both mean that there is none.
    fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<Option<T>> {
        match self.text(column)? {
            None => Ok(None),
            Some(text) => serde_json::from_str(&text).map_err(|error| unreadable(column).caused_by(error)),
        }
    }

    /// A JSON object, empty when there is none.
    fn map(&self, column: &'static str) -> Result<JsonMap> {
        Ok(self.json(column)?.unwrap_or_default())
    }
}

impl<R: Columns + ?Sized> RowExt for R {}

fn read_word<T: FromStr<Err = Error>>(column: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|error| unreadable(column).caused_by(error))
}

fn missing(column: &'static str) -> Error {
    Error::unexpected("a stored row lacks a value").with("column", column)
}

fn unreadable(column: &'static str) -> Error {
    Error::unexpected("a stored value cannot be read").with("column", column)
}
