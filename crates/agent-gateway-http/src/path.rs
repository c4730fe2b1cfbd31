//! Ids in paths.
use std::{fmt, marker::PhantomData};

use axum::{
    extract::{FromRequestParts, MatchedPath, RawPathParams},
    http::request::Parts,
};
use serde_json::{Value, json};

use crate::{ApiError, Problem, Problems};

/// Which ids a path takes.
pub trait PathRule: fmt::Debug + Send + Sync + 'static {
    /// The rule as clients are told it.
    const PATTERN: &'static str;
    /// The most characters of an id.
    const MAX_CHARS: usize = 128;
    /// Whether an id may hold this byte.
    fn allows(byte: u8) -> bool;
}

/// Letters, digits, `_` and `-`.
#[derive(Clone, Copy, Debug)]
pub struct Word;

impl PathRule for Word {
    const PATTERN: &'static str = "^[a-zA-Z0-9_-]+$";

    fn allows(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
    }
}

/// Letters, digits, `_`, `-` and `.`.
#[derive(Clone, Copy, Debug)]
pub struct DottedWord;

impl PathRule for DottedWord {
    const PATTERN: &'static str = "^[a-zA-Z0-9_.-]+$";

    fn allows(byte: u8) -> bool {
        Word::allows(byte) || byte == b'.'
    }
}

/// Anything, as long as it is one line.
#[derive(Clone, Copy, Debug)]
pub struct AnyLine;

impl PathRule for AnyLine {
    const PATTERN: &'static str = "^[^\\x00-\\x1f\\x7f]+$";
    const MAX_CHARS: usize = 256;

    fn allows(byte: u8) -> bool {
        !byte.is_ascii_control()
    }
}

/// The id at the end of a route's parameters, checked by a rule; what breaks it is a 422.
#[derive(Clone, Debug)]
pub struct PathId<R> {
    id: String,
    rule: PhantomData<R>,
}

impl<R: PathRule> PathId<R> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.id
    }

    /// The text, kept.
    #[must_use]
    pub fn into_string(self) -> String {
        self.id
    }

    /// Reads the id of a request; a problem is added to the others.
    pub async fn read(parts: &mut Parts, problems: &mut Problems) -> Self {
        let (name, id) = match last_parameter(parts).await {
            Some(parameter) => parameter,
            None => (last_name(parts).to_owned(), String::new()),
        };
        if let Some(problem) = judge::<R>(&name, &id) {
            problems.push(problem);
        }
        Self { id, rule: PhantomData }
    }
}

fn judge<R: PathRule>(name: &str, id: &str) -> Option<Problem> {
    let loc = vec![json!("path"), json!(name)];
    let problem = if id.chars().nth(R::MAX_CHARS).is_some() {
        Problem::new(
            "string_too_long",
            loc,
            format!("String should have at most {} characters", R::MAX_CHARS),
        )
        .context(json!({"max_length": R::MAX_CHARS}))
    } else if id.is_empty() || !id.bytes().all(R::allows) {
        Problem::new("string_pattern_mismatch", loc, format!("String should match pattern '{}'", R::PATTERN))
            .context(json!({"pattern": R::PATTERN}))
    } else {
        return None;
    };
    Some(problem.input(&Value::String(id.to_owned())))
}

impl<S, R> FromRequestParts<S> for PathId<R>
where
    S: Send + Sync,
    R: PathRule,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let mut problems = Problems::default();
        let id = Self::read(parts, &mut problems).await;
        problems.into_result()?;
        Ok(id)
    }
}

/// The name of the last parameter of the route, which is known even where its text is none.
fn last_name(parts: &Parts) -> &str {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    route.rsplit_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(name, _)| name)
}

/// Name and decoded text of the last parameter of the path: outer routers put theirs in front. `None` where there is none,
/// or where it is no UTF-8.
pub(crate) async fn last_parameter(parts: &mut Parts) -> Option<(String, String)> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    parameters.iter().last().map(|(name, id)| (name.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_follow_their_rule() {
        for good in ["a", "A_b-9", &"a".repeat(128)] {
            assert!(judge::<Word>("agent_id", good).is_none(), "{good}");
        }
        for bad in ["", "a.b", "a b", "ä", "a/b", &"a".repeat(129)] {
            assert!(judge::<Word>("agent_id", bad).is_some(), "{bad}");
        }
        assert!(judge::<DottedWord>("tool_id", "a.b").is_none());
    }
}
