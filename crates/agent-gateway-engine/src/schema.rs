//! JSON Schemas: compiled once, never fetching anything, with patterns that cannot run away.
mod effort;
mod graph;
#[cfg(test)]
mod tests;

use std::{
    fmt::{self, Write},
    sync::Arc,
};

use agent_gateway_core::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

use effort::{Effort, levels};

/// The largest schema, in bytes of JSON.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;
/// How many violations are told at once.
const MAX_ERRORS: usize = 10;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;
/// The most bytes of what is told of one violation, and of one part of its path.
const MAX_TOLD_BYTES: usize = 300;
/// The most bytes of a failed answer that the model is shown again.
const MAX_SHOWN_BYTES: usize = 64 * 1024;

/// A compiled JSON Schema.
pub struct Schema {
    validator: jsonschema::Validator,
    effort: Effort,
}

/// How a value misses its schema, in the shape that clients of the API know.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldError {
    /// The path of the value.
    pub loc: Vec<Value>,
    /// What is wrong with it.
    pub msg: String,
    /// The schema's keyword that it misses; `missing` for a missing property.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Schema {
    /// Compiles a schema. What is no schema, is too large or too deep, refers to another document, or would keep a check busy
    /// without end is `Invalid`.
    pub fn compile(schema: &Value) -> Result<Self> {
        if !matches!(schema, Value::Object(_) | Value::Bool(_)) {
            return Err(Error::invalid("a JSON Schema is an object"));
        }
        // First of all: what follows descends into it.
        if levels(schema).is_none() {
            return Err(
                Error::invalid("the JSON Schema is nested too deeply").with("levels", effort::MAX_LEVELS)
            );
        }
        let size = schema.to_string().len();
        if size > MAX_SCHEMA_BYTES {
            return Err(Error::invalid("the JSON Schema is too large")
                .with("bytes", size)
                .with("limit", MAX_SCHEMA_BYTES));
        }
        let effort = Effort::of(schema)?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .build(schema)
            .map_err(|error| {
                let told = told(&error);
                Error::invalid(format!("not a usable JSON Schema: {told}")).with("at", error.instance_path())
            })?;
        Ok(Self { validator, effort })
    }

    /// How `value` misses the schema, at most ten violations; empty when it fits. Paths start with `root`.
    #[must_use]
    pub fn check(&self, value: &Value, root: &[&str]) -> Vec<FieldError> {
        if !self.effort.allows(value) {
            return vec![FieldError {
                loc: root.iter().map(|part| json!(part)).collect(),
                msg: "the value is nested too deeply, or too large, to be checked against its schema"
                    .to_owned(),
                kind: "too_complex".to_owned(),
            }];
        }
        // Most values fit, and to tell that is cheap.
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        self.validator.iter_errors(value).take(MAX_ERRORS).map(|error| field_error(&error, root)).collect()
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Schema")
    }
}

fn field_error(error: &jsonschema::ValidationError<'_>, root: &[&str]) -> FieldError {
    let mut loc: Vec<Value> = root.iter().map(|part| json!(part)).collect();
    let path = error.instance_path().to_string();
    for part in path.split('/').skip(1) {
        let mut name = part.replace("~1", "/").replace("~0", "~");
        name.truncate(name.floor_char_boundary(MAX_TOLD_BYTES));
        loc.push(name.parse::<u64>().map_or_else(|_| json!(name), |index| json!(index)));
    }
    let mut kind = error.kind().keyword().to_owned();
    if let jsonschema::error::ValidationErrorKind::Required { property } = error.kind() {
        loc.push(property.clone());
        "missing".clone_into(&mut kind);
    }
    FieldError { loc, msg: told(error), kind }
}

/// What an error says; it may quote the whole value.
fn told(error: &dyn fmt::Display) -> String {
    let mut told = Bounded(String::new());
    if write!(told, "{error}").is_err() {
        told.0.push('…');
    }
    told.0
}

/// Takes so much text, and then no more.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = MAX_TOLD_BYTES.saturating_sub(self.0.len());
        let fits = &text[..text.floor_char_boundary(left)];
        self.0.push_str(fits);
        if fits.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// The schema that an answer must fit, with what the model is told of it.
#[derive(Debug)]
pub struct OutputSchema {
    schema: Schema,
    source: Arc<Value>,
}

impl OutputSchema {
    /// Compiles it; see [`Schema::compile`].
    pub fn compile(source: impl Into<Arc<Value>>) -> Result<Self> {
        let source = source.into();
        Ok(Self { schema: Schema::compile(&source)?, source })
    }

    /// The JSON Schema itself.
    pub(crate) fn source(&self) -> &Arc<Value> {
        &self.source
    }

    /// The last layer of the prompt.
    pub(crate) fn instruction(&self) -> String {
        format!(
            "\n\n## Required Output Format\n\nAnswer with one JSON value that fits this JSON Schema, and with nothing \
             else: no explanation, no text around it.\n\n{}",
            self.fenced()
        )
    }

    /// A failed answer, as the model is shown it again.
    pub(crate) fn shown(text: &Arc<str>) -> Arc<str> {
        if text.len() <= MAX_SHOWN_BYTES {
            return text.clone();
        }
        format!("{}\n[cut]", &text[..text.floor_char_boundary(MAX_SHOWN_BYTES)]).into()
    }

    /// What the model is told when its answer does not fit.
    pub(crate) fn repair(&self, errors: &[String]) -> String {
        format!(
            "That answer does not fit the required format:\n- {}\n\nAnswer again with one JSON value that fits this JSON \
             Schema, and with nothing else.\n\n{}",
            errors.join("\n- "),
            self.fenced()
        )
    }

    /// Reads an answer: the value, or how it misses the schema.
    pub(crate) fn read(&self, text: &str) -> Result<Value, Vec<String>> {
        let value: Value = serde_json::from_str(unfenced(text)).map_err(|error| vec![not_json(&error)])?;
        let errors: Vec<String> = self.schema.check(&value, &[]).iter().map(ToString::to_string).collect();
        if errors.is_empty() { Ok(value) } else { Err(errors) }
    }

    fn fenced(&self) -> String {
        format!("```json\n{}\n```", serde_json::to_string_pretty(&*self.source).unwrap_or_default())
    }
}

impl fmt::Display for FieldError {
    /// One line: where, and what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.loc.iter().enumerate() {
            let dot = if place == 0 { "" } else { "." };
            match part.as_str() {
                Some(name) => write!(f, "{dot}{name}")?,
                None => write!(f, "{dot}{part}")?,
            }
        }
        let colon = if self.loc.is_empty() { "" } else { ": " };
        write!(f, "{colon}{}", self.msg)
    }
}

fn not_json(error: &serde_json::Error) -> String {
    format!("the answer is not valid JSON (line {}, column {})", error.line(), error.column())
}

/// The text without the one code fence around it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let Some(inner) = text.strip_prefix("```") else { return text };
    let inner = inner.split_once('\n').map_or("", |(_, rest)| rest);
    inner.trim_end().strip_suffix("```").unwrap_or(inner).trim()
}
