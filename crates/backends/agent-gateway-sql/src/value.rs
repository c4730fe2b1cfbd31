//! Values that are bound to statements, and statements.
use std::sync::Arc;

use agent_gateway_core::{Error, Result, Timestamp};
use serde::Serialize;

use crate::Names;

/// One bound value. Cloning is cheap: texts are shared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A truth value.
    Flag(bool),
    /// A text.
    Text(Arc<str>),
    /// An instant.
    Time(Timestamp),
    /// A JSON text.
    Json(Arc<str>),
}

/// What a value is, where an engine has to know that of null as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Value::Int`].
    Int,
    /// [`Value::Float`].
    Float,
    /// [`Value::Flag`].
    Flag,
    /// [`Value::Text`].
    Text,
    /// [`Value::Time`].
    Time,
    /// [`Value::Json`].
    Json,
}

/// A column that the writer fills.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

impl Column {
    pub(crate) const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }

    /// The names of columns as SQL text lists them.
    #[must_use]
    pub fn list(columns: &[Self]) -> String {
        columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn kinds(columns: &[Self]) -> Vec<Kind> {
        columns.iter().map(|column| column.kind).collect()
    }
}

impl Value {
    /// A number that SQL can hold; over `i64::MAX` is `Invalid`.
    pub fn number(number: u64) -> Result<Self> {
        i64::try_from(number)
            .map(Self::Int)
            .map_err(|_| Error::invalid("the number is too large for the store").with("number", number))
    }

    /// The JSON of a value.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        match serde_json::to_string(value) {
            Ok(text) => Ok(Self::Json(text.into())),
            Err(error) => Err(Error::unexpected("a value is no JSON").caused_by(error)),
        }
    }

    /// The JSON of a value, SQL's null when there is none.
    pub fn json_or_null<T: Serialize>(value: Option<&T>) -> Result<Self> {
        value.map_or(Ok(Self::Null), Self::json)
    }

    /// A text that an id or word shows, nothing when there is none.
    pub fn word<T: AsRef<str>>(word: Option<&T>) -> Self {
        word.map_or(Self::Null, |word| Self::Text(word.as_ref().into()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A statement and the values for its placeholders.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The text. It is made of our own templates and checked names, never of a caller's words.
    pub text: Arc<str>,
    /// The values of `$1`, `$2`, …
    pub args: Vec<Value>,
}

impl Statement {
    /// Fills the template's names and binds `args`.
    #[must_use]
    pub fn new(names: &Names, template: &str, args: Vec<Value>) -> Self {
        Self { text: names.fill(template), args }
    }
}
