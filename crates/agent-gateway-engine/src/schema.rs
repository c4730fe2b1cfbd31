//! JSON Schemas: compiled once, never fetching anything, with patterns that cannot run away.
use std::{fmt, sync::Arc};

use agent_gateway_core::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// The largest schema, in bytes of JSON.
const MAX_SCHEMA_BYTES: usize = 256 * 1024;
/// How many violations are told at once.
const MAX_ERRORS: usize = 10;
/// The largest compiled pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 1024 * 1024;

/// A compiled JSON Schema.
pub struct Schema(jsonschema::Validator);

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
    /// Compiles a schema. What is no schema, is too large, or refers to another document is `Invalid`.
    pub fn compile(schema: &Value) -> Result<Self> {
        let size = schema.to_string().len();
        if size > MAX_SCHEMA_BYTES {
            return Err(Error::invalid("the JSON Schema is too large")
                .with("bytes", size)
                .with("limit", MAX_SCHEMA_BYTES));
        }
        jsonschema::options()
            .offline()
            .with_pattern_options(jsonschema::PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
            .build(schema)
            .map(Self)
            .map_err(|error| {
                Error::invalid(format!("not a usable JSON Schema: {error}")).with("at", error.instance_path())
            })
    }

    /// How `value` misses the schema, at most ten violations; empty when it fits. Paths start with `root`.
    #[must_use]
    pub fn check(&self, value: &Value, root: &[&str]) -> Vec<FieldError> {
        self.0.iter_errors(value).take(MAX_ERRORS).map(|error| field_error(&error, root)).collect()
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
        let name = part.replace("~1", "/").replace("~0", "~");
        loc.push(name.parse::<u64>().map_or_else(|_| json!(name), |index| json!(index)));
    }
    let mut kind = error.kind().keyword().to_owned();
    if let jsonschema::error::ValidationErrorKind::Required { property } = error.kind() {
        loc.push(property.clone());
        "missing".clone_into(&mut kind);
    }
    FieldError { loc, msg: error.to_string(), kind }
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

    /// The last layer of the prompt.
    pub(crate) fn instruction(&self) -> String {
        format!(
            "\n\n## Required Output Format\n\nAnswer with one JSON value that fits this JSON Schema, and with nothing \
             else: no explanation, no text around it.\n\n{}",
            self.fenced()
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_that_points_elsewhere_is_refused() {
        for schema in [json!({"$ref": "http://127.0.0.1:1/x.json"}), json!({"$ref": "file:///etc/passwd"})] {
            assert!(Schema::compile(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn violations_name_their_place() {
        let schema =
            Schema::compile(&json!({"required": ["x"], "properties": {"n": {"type": "integer"}}})).unwrap();
        let errors = schema.check(&json!({"n": "one"}), &["body", "input"]);
        let places: Vec<_> = errors.iter().map(|error| (json!(error.loc), error.kind.as_str())).collect();
        assert!(places.contains(&(json!(["body", "input", "x"]), "missing")), "{places:?}");
        assert!(places.contains(&(json!(["body", "input", "n"]), "type")), "{places:?}");
    }

    #[test]
    fn answers_are_read_through_one_fence() {
        let schema = OutputSchema::compile(json!({"type": "object"})).unwrap();
        for text in ["{\"a\":1}", " ```json\n{\"a\":1}\n``` ", "```\n{\"a\":1}"] {
            assert_eq!(schema.read(text).unwrap(), json!({"a": 1}), "{text}");
        }
        assert!(schema.read("[1]").is_err());
        assert!(schema.read("sorry").is_err());
    }

    #[test]
    fn a_catastrophic_pattern_is_checked_in_linear_time() {
        let schema = Schema::compile(&json!({"pattern": "^(a+)+$"})).unwrap();
        assert!(!schema.check(&json!(format!("{}b", "a".repeat(50_000))), &[]).is_empty());
    }
}
