//! Reads typed fields out of JSON, with the leniency and the error list that FastAPI's clients know.
use std::{borrow::Cow, ops::RangeInclusive};

use agent_gateway_core::JsonMap;
use agent_gateway_runtime::FieldError;
use serde::Serialize;
use serde_json::{Value, json};

mod scalar;

pub(crate) use scalar::integer_of;
use scalar::{amount_of, flag_of, text_of};

use crate::ApiError;

/// What is wrong with one field of a request: an entry of the `detail` list.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    loc: Vec<Value>,
    msg: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ctx: Option<Value>,
}

impl Problem {
    /// A problem of this kind at this place.
    pub fn new(kind: &'static str, loc: Vec<Value>, msg: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), loc, msg: msg.into(), input: None, ctx: None }
    }

    /// Shows what was sent, unless it is long.
    #[must_use]
    pub fn input(mut self, value: &Value) -> Self {
        self.input = is_short(value).then(|| value.clone());
        self
    }

    /// Adds the limits that were broken.
    #[must_use]
    pub fn context(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }

    pub(crate) fn to_field_error(&self) -> FieldError {
        FieldError { loc: self.loc.clone(), msg: self.msg.to_string(), kind: self.kind.to_string() }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self { kind: error.kind.into(), loc: error.loc, msg: error.msg.into(), input: None, ctx: None }
    }
}

/// Everything that is wrong with a request, told at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Nothing when there is no problem, else one 422 with all of them.
    pub fn into_result(self) -> Result<(), ApiError> {
        if self.0.is_empty() { Ok(()) } else { Err(ApiError::validation(self.0)) }
    }

    pub(crate) fn take<T>(&mut self, problem: Problem) -> Option<T> {
        self.push(problem);
        None
    }
}

/// The members of one JSON object, taken out one by one. What nobody asks for is ignored.
#[derive(Debug)]
pub struct Fields {
    members: JsonMap,
    path: &'static [&'static str],
}

impl Fields {
    /// The members of the object at `path`, which begins with `body`.
    #[must_use]
    pub fn new(members: JsonMap, path: &'static [&'static str]) -> Self {
        Self { members, path }
    }

    /// A text that must be there, with a number of characters in `length`; empty after a problem.
    pub fn text(&mut self, name: &str, length: RangeInclusive<usize>, problems: &mut Problems) -> String {
        let Some(value) = self.members.remove(name) else {
            let problem = Problem::new("missing", self.loc(name), "Field required");
            problems.push(problem.input(&Value::Object(short_copy(&self.members))));
            return String::new();
        };
        text_of(value, || self.loc(name), &length).unwrap_or_else(|problem| {
            problems.push(*problem);
            String::new()
        })
    }

    /// A text that may be absent, `null` or empty, of at most `most` characters.
    pub fn optional_text(&mut self, name: &str, most: usize, problems: &mut Problems) -> Option<String> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        let text = text_of(value, || self.loc(name), &(0..=most));
        text.map_or_else(|problem| problems.take(*problem), Some).filter(|text| !text.is_empty())
    }

    /// An object, empty where it is absent. `null` is a problem.
    pub fn object(&mut self, name: &str, problems: &mut Problems) -> JsonMap {
        match self.members.remove(name) {
            None => JsonMap::new(),
            Some(Value::Object(members)) => members,
            Some(other) => self.no_object(name, &other, problems).unwrap_or_default(),
        }
    }

    /// An object that may be absent or `null`.
    pub fn optional_object(&mut self, name: &str, problems: &mut Problems) -> Option<JsonMap> {
        match self.members.remove(name)? {
            Value::Null => None,
            Value::Object(members) => Some(members),
            other => self.no_object(name, &other, problems),
        }
    }

    /// A group of further fields at `path`; empty where it is absent or `null`.
    #[must_use]
    pub fn section(&mut self, path: &'static [&'static str], problems: &mut Problems) -> Self {
        let name = path.last().copied().unwrap_or_default();
        let members = match self.members.remove(name) {
            None | Some(Value::Null) => JsonMap::new(),
            Some(Value::Object(members)) => members,
            Some(other) => {
                problems.push(not_an_object(self.loc(name)).input(&other));
                JsonMap::new()
            }
        };
        Self::new(members, path)
    }

    /// A boolean under the first of these names that is there; `false` where none is.
    pub fn flag(&mut self, names: &[&str], problems: &mut Problems) -> bool {
        let found = names.iter().find_map(|name| self.members.remove(*name).map(|value| (*name, value)));
        let Some((name, value)) = found else { return false };
        flag_of(&value, || self.loc(name)).unwrap_or_else(|problem| problems.take(*problem).unwrap_or(false))
    }

    /// An integer within `range` that may be absent or `null`.
    pub fn optional_integer(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
        problems: &mut Problems,
    ) -> Option<i64> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        integer_of(&value, self.loc(name), &range).map_or_else(|problem| problems.take(*problem), Some)
    }

    /// An amount above 0 that may be absent or `null`.
    pub fn optional_amount(&mut self, name: &str, problems: &mut Problems) -> Option<f64> {
        let value = self.members.remove(name).filter(|value| !value.is_null())?;
        amount_of(&value, self.loc(name)).map_or_else(|problem| problems.take(*problem), Some)
    }

    /// Fields that nobody asked for are problems.
    pub fn refuse_others(self, problems: &mut Problems) {
        for (name, value) in &self.members {
            let problem = Problem::new("extra_forbidden", self.loc(name), "Extra inputs are not permitted");
            problems.push(problem.input(value));
        }
    }

    fn no_object<T>(&self, name: &str, value: &Value, problems: &mut Problems) -> Option<T> {
        let problem = Problem::new("dict_type", self.loc(name), "Input should be a valid dictionary");
        problems.take(problem.input(value))
    }

    fn loc(&self, name: &str) -> Vec<Value> {
        self.path.iter().map(|part| json!(part)).chain([json!(name)]).collect()
    }
}

/// What is told where an object with known fields is expected.
pub(crate) fn not_an_object(loc: Vec<Value>) -> Problem {
    let msg = "Input should be a valid dictionary or object to extract fields from";
    Problem::new("model_attributes_type", loc, msg)
}

/// How much of a request is shown back in an error.
const SHORT_TEXT: usize = 256;
const SHORT_LIST: usize = 8;

fn is_short(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => text.len() <= SHORT_TEXT,
        Value::Array(items) => items.len() <= SHORT_LIST && items.iter().all(is_short_scalar),
        Value::Object(members) => members.len() <= SHORT_LIST && members.values().all(is_short_scalar),
    }
}

fn is_short_scalar(value: &Value) -> bool {
    !value.is_array() && !value.is_object() && is_short(value)
}

/// The members that are short themselves.
fn short_copy(members: &JsonMap) -> JsonMap {
    let short = members.iter().filter(|(_, value)| is_short_scalar(value)).take(SHORT_LIST);
    short.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests;
