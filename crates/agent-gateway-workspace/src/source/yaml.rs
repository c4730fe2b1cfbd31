//! The only place that knows the YAML library: text to a tree with lines.
mod wording;

use std::{fmt, sync::Arc};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::{Location, Options, Spanned};

use super::node::{Entry, Kind, Node, Place, Scalar};

/// Why a text is not YAML, and on which of its lines.
#[derive(Debug, PartialEq)]
pub(crate) struct YamlError {
    pub(crate) line: Option<u32>,
    pub(crate) message: String,
    /// What to do about it; empty when the message says it.
    pub(crate) hint: &'static str,
}

/// Reads one YAML document, whose first line is line `first_line` of the file `path`. An empty document is `Null`.
pub(crate) fn parse(text: &str, path: &Arc<str>, first_line: u32) -> Result<Node, YamlError> {
    let composer = Composer { text, path, first_line };
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Node { place: composer.place(None), kind: Kind::Null });
    }
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(root) => Ok(composer.node(root)),
        Err(error) => {
            let line = error.location().filter(|at| at.line() > 0).map(|at| composer.line(at));
            let (message, hint) = wording::sentence(&error);
            Err(YamlError { line, message, hint })
        }
    }
}

/// Bounds for files that people write; a file beyond them is refused, not read slowly. Snippets would show secrets.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 64,
            max_nodes: 50_000,
            max_events: 200_000,
            max_anchors: 1_000,
            max_aliases: 1_000,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 16,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

/// A value as the library gives it, before its spelling is looked up.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

struct Composer<'t> {
    text: &'t str,
    path: &'t Arc<str>,
    first_line: u32,
}

impl Composer<'_> {
    fn line(&self, at: Location) -> u32 {
        self.first_line.saturating_add(u32::try_from(at.line()).unwrap_or(u32::MAX).saturating_sub(1))
    }

    fn place(&self, at: Option<Location>) -> Place {
        let line = at.filter(|at| at.line() > 0).map(|at| self.line(at));
        Place::File { path: Arc::clone(self.path), line }
    }

    /// The spelling of a plain scalar, absent where the library cannot say.
    fn spelling(&self, at: Location) -> Option<&str> {
        let span = at.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        self.text.get(start..end).map(str::trim)
    }

    fn node(&self, spanned: Spanned<Raw>) -> Node {
        let Spanned { value, referenced, defined } = spanned;
        let kind = match value {
            Raw::Null => Kind::Null,
            Raw::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(pairs) => {
                Kind::Map(pairs.into_iter().map(|(key, value)| self.entry(key, value)).collect())
            }
            Raw::Bool(flag) => self.scalar(defined, Value::Bool(flag)),
            Raw::Number(number) => self.scalar(defined, Value::Number(number)),
            Raw::Text(text) => {
                let is_plain = self.spelling(defined) == Some(text.as_str());
                let value = match old_boolean(&text).filter(|_| is_plain) {
                    Some(flag) => Value::Bool(flag),
                    None => Value::String(text.clone()),
                };
                Kind::Scalar(Scalar { text, value })
            }
        };
        Node { place: self.place(Some(referenced)), kind }
    }

    fn entry(&self, key: Spanned<String>, value: Spanned<Raw>) -> Entry {
        Entry { place: self.place(Some(key.referenced)), key: key.value, node: self.node(value) }
    }

    fn scalar(&self, at: Location, value: Value) -> Kind {
        let text = self.spelling(at).map_or_else(|| value.to_string(), str::to_owned);
        Kind::Scalar(Scalar { text, value })
    }
}

/// The booleans of YAML 1.1 that YAML 1.2 takes for texts.
pub(crate) fn old_boolean(text: &str) -> Option<bool> {
    match text {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Raw, E> {
        Number::from_f64(number).map(Raw::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some((key, value)) = map.next_entry::<Spanned<String>, _>()? {
            if key.value.len() > 256 {
                return Err(A::Error::custom("a key is longer than 256 bytes"));
            }
            pairs.push((key, value));
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests;
