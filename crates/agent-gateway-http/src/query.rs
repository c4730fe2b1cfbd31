//! Query strings.
use std::ops::RangeInclusive;

use axum::{
    extract::{FromRequestParts, Query},
    http::request::Parts,
};
use serde_json::{Value, json};

use crate::{ApiError, Problem, Problems, fields::integer_of};

/// The parameters of a query string, read one by one. Unknown ones are ignored; of a repeated one the last counts.
#[derive(Clone, Debug, Default)]
pub struct QueryFields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for QueryFields {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        // Percent signs that encode nothing are taken as they are: nothing here can fail.
        Ok(Query::try_from_uri(&parts.uri).map_or_else(|_| Self::default(), |Query(pairs)| Self(pairs)))
    }
}

impl QueryFields {
    /// A parameter as text; an empty one counts as absent.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.last(name).filter(|text| !text.is_empty())
    }

    /// An integer within `range`, or the default where it is absent.
    pub fn integer(
        &self,
        name: &str,
        default: i64,
        range: RangeInclusive<i64>,
        problems: &mut Problems,
    ) -> i64 {
        let Some(text) = self.last(name) else { return default };
        let value = Value::String(text.to_owned());
        integer_of(&value, vec![json!("query"), json!(name)], &range)
            .unwrap_or_else(|problem| problems.take(*problem).unwrap_or(default))
    }

    /// A parameter that `read` understands; `expected` tells clients what it should be.
    pub fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(name)?;
        read(text).or_else(|| {
            let loc = vec![json!("query"), json!(name)];
            let problem = Problem::new("value_error", loc, format!("Input should be {expected}"));
            problems.take(problem.input(&Value::String(text.to_owned())))
        })
    }

    fn last(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, text)| text.as_str())
    }
}
