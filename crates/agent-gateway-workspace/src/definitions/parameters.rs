//! `parameters` of a `TOOL.md`: a flat map of names, or a JSON Schema.
use agent_gateway_core::{JsonMap, diagnostic::Diagnostic};
use serde_json::{Value, json};

use super::document::Document;
use crate::source::suggest;

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "array", "object", "null"];

/// What a tool takes.
#[derive(Debug, PartialEq)]
pub(super) struct Parameters {
    /// A JSON Schema of an object.
    pub(super) schema: Value,
    /// Values of arguments that a call leaves out.
    pub(super) defaults: JsonMap,
}

/// Reads either form.
pub(super) fn parameters(document: &Document, map: JsonMap, findings: &mut Vec<Diagnostic>) -> Parameters {
    let is_schema = map.get("type").and_then(Value::as_str) == Some("object")
        && map.get("properties").is_none_or(Value::is_object);
    if is_schema {
        let defaults = map.get("properties").and_then(Value::as_object).map(defaults).unwrap_or_default();
        return Parameters { schema: Value::Object(map), defaults };
    }
    let mut properties = JsonMap::new();
    let mut required = Vec::new();
    for (name, definition) in map {
        let key = format!("parameters.{name}");
        let definition = match definition {
            Value::Object(definition) => definition,
            Value::String(word) => JsonMap::from_iter([("type".to_owned(), Value::String(word))]),
            _ => {
                let message =
                    "is not a parameter: expected a mapping such as `{type: string}`; it is left out";
                findings.push(document.place(&key).warning(&key, message));
                continue;
            }
        };
        let (property, is_required) = property(document, &name, definition, findings);
        if is_required {
            required.push(Value::String(name.clone()));
        }
        properties.insert(name, Value::Object(property));
    }
    let defaults = defaults(&properties);
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = Value::Array(required);
    }
    Parameters { schema, defaults }
}

/// One parameter of the flat form as a schema, and whether it is required.
fn property(
    document: &Document,
    name: &str,
    mut definition: JsonMap,
    findings: &mut Vec<Diagnostic>,
) -> (JsonMap, bool) {
    let mut is_required = false;
    // A list here is not about this parameter but about the properties of an object.
    if !definition.get("required").is_some_and(Value::is_array) {
        match definition.shift_remove("required") {
            None | Some(Value::Null) => {}
            Some(Value::Bool(flag)) => is_required = flag,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("true") => is_required = true,
            Some(Value::String(word)) if word.eq_ignore_ascii_case("false") => {}
            Some(_) => {
                let key = format!("parameters.{name}.required");
                let finding = document.place(&key).warning(&key, "expected true or false; read as true");
                findings.push(finding);
                is_required = true;
            }
        }
    }
    let described = definition.shift_remove("description").filter(|text| !text.is_null());
    let kind = definition.shift_remove("type").filter(|kind| !kind.is_null());
    let mut property = JsonMap::new();
    property.insert(
        "type".to_owned(),
        kind.map_or_else(|| "string".into(), |kind| known(document, name, kind, findings)),
    );
    property.insert(
        "description".to_owned(),
        match described {
            Some(Value::String(text)) => text.into(),
            Some(other) => other.to_string().into(),
            None => name.into(),
        },
    );
    let rest = definition
        .into_iter()
        .filter(|(key, value)| !(value.is_null() && (key == "enum" || key == "default")));
    property.extend(rest);
    (property, is_required)
}

/// The JSON name of a type that people write in the words of their language.
fn known(document: &Document, name: &str, kind: Value, findings: &mut Vec<Diagnostic>) -> Value {
    let Value::String(word) = &kind else { return kind };
    if TYPES.contains(&word.as_str()) {
        return kind;
    }
    let meant = match word.to_ascii_lowercase().as_str() {
        "str" | "text" => Some("string"),
        "int" => Some("integer"),
        "float" | "double" => Some("number"),
        "bool" => Some("boolean"),
        "list" => Some("array"),
        "dict" | "map" => Some("object"),
        other => suggest::nearest(other, TYPES),
    };
    let key = format!("parameters.{name}.type");
    let read_as = meant.unwrap_or("string");
    let finding = document.place(&key).warning(&key, &format!("is not a type of JSON; read as `{read_as}`"));
    findings.push(finding.hint(format!("the types are {}", TYPES.join(", "))));
    read_as.into()
}

fn defaults(properties: &JsonMap) -> JsonMap {
    let values =
        properties.iter().filter_map(|(name, schema)| Some((name.clone(), schema.get("default")?.clone())));
    values.collect()
}
