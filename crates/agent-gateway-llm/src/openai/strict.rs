//! Which schemas the strict mode of OpenAI takes: every property required, no others allowed, and a part of the keywords.
use serde_json::{Map, Value};

/// How deep objects may be, how many properties and values of enumerations there may be, and how long their names are in all.
const MAX_LEVELS: usize = 10;
const MAX_PROPERTIES: usize = 5000;
const MAX_ENUM_VALUES: usize = 1000;
const MAX_NAME_CHARS: usize = 120_000;

/// Keywords that say nothing of sub-schemas.
const PLAIN: &[&str] = &[
    "$schema",
    "title",
    "description",
    "type",
    "enum",
    "const",
    "pattern",
    "multipleOf",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minItems",
    "maxItems",
    "required",
    "additionalProperties",
];
const TYPES: &[&str] = &["string", "number", "integer", "boolean", "object", "array", "null"];
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Whether the strict mode takes the schema. It is refused with an error where it does not.
pub(super) fn is_strict(schema: &Value) -> bool {
    let mut count = Count::default();
    schema["type"] == "object"
        && schema.get("anyOf").is_none()
        && count.fits(schema, 0)
        && count.properties <= MAX_PROPERTIES
        && count.values <= MAX_ENUM_VALUES
        && count.chars <= MAX_NAME_CHARS
}

#[derive(Default)]
struct Count {
    properties: usize,
    values: usize,
    chars: usize,
}

impl Count {
    fn fits(&mut self, schema: &Value, level: usize) -> bool {
        let Some(map) = schema.as_object() else { return false };
        level <= MAX_LEVELS
            && is_typed(map)
            && is_closed(map)
            && map.iter().all(|(keyword, value)| self.keyword_fits(keyword, value, level))
    }

    fn keyword_fits(&mut self, keyword: &str, value: &Value, level: usize) -> bool {
        match keyword {
            "properties" => value.as_object().is_some_and(|properties| {
                self.properties += properties.len();
                self.chars += properties.keys().map(String::len).sum::<usize>();
                properties.values().all(|schema| self.fits(schema, level + 1))
            }),
            "$defs" | "definitions" => value.as_object().is_some_and(|defs| {
                self.chars += defs.keys().map(String::len).sum::<usize>();
                defs.values().all(|schema| self.fits(schema, level))
            }),
            "items" => self.fits(value, level + 1),
            "anyOf" => value.as_array().is_some_and(|any| any.iter().all(|schema| self.fits(schema, level))),
            "$ref" => value.as_str().is_some_and(|reference| reference.starts_with('#')),
            "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
            "enum" => value.as_array().is_some_and(|values| {
                self.values += values.len();
                self.chars += values.iter().filter_map(Value::as_str).map(str::len).sum::<usize>();
                true
            }),
            _ => PLAIN.contains(&keyword),
        }
    }
}

/// Whether the schema says what it is.
fn is_typed(map: &Map<String, Value>) -> bool {
    let is_type = |name: &Value| name.as_str().is_some_and(|name| TYPES.contains(&name));
    match map.get("type") {
        Some(Value::Array(types)) => types.iter().all(is_type),
        Some(name) => is_type(name),
        None => ["anyOf", "$ref", "enum", "const"].iter().any(|keyword| map.contains_key(*keyword)),
    }
}

/// Whether an object names all its properties, and requires them.
fn is_closed(map: &Map<String, Value>) -> bool {
    let properties = map.get("properties").and_then(Value::as_object);
    let is_object = match map.get("type") {
        Some(Value::Array(types)) => types.iter().any(|name| name == "object"),
        Some(name) => name == "object",
        None => properties.is_some(),
    };
    let required = map.get("required").and_then(Value::as_array);
    let is_required =
        |name: &String| required.is_some_and(|required| required.iter().any(|other| other == name.as_str()));
    !is_object
        || (map.get("additionalProperties") == Some(&Value::Bool(false))
            && properties.is_some_and(|properties| properties.keys().all(is_required)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(properties: &Value) -> Value {
        let names: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
        json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
    }

    #[test]
    fn what_strict_mode_takes() {
        let inner =
            object(&json!({"d": {"type": ["string", "null"], "format": "date"}, "more": {"$ref": "#"}}));
        let any = json!({"anyOf": [{"type": "null"}, inner]});
        for properties in [
            json!({}),
            json!({"a": {"type": "integer", "minimum": 1}, "b": {"enum": ["x", "y"], "description": "which"}}),
            json!({"list": {"type": "array", "items": any, "maxItems": 3}}),
        ] {
            assert!(is_strict(&object(&properties)), "{properties}");
        }
    }

    #[test]
    fn what_strict_mode_refuses() {
        let open = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        let optional =
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
        let deep = (0..12).fold(json!({"type": "string"}), |inner, _| object(&json!({"a": inner})));
        let many = json!({"a": {"enum": (0..2000).collect::<Vec<_>>()}});
        for schema in [
            json!({"type": "array", "items": {"type": "string"}}),
            json!(true),
            json!({"type": "object"}),
            open.clone(),
            optional,
            object(&json!({"a": open})),
            object(&json!({"a": {}})),
            object(&json!({"a": {"type": "string", "minLength": 1}})),
            object(&json!({"a": {"type": "string", "default": "x"}})),
            object(&json!({"a": {"type": "string", "format": "uri"}})),
            object(&json!({"a": {"oneOf": [{"type": "string"}]}})),
            deep,
            object(&many),
        ] {
            assert!(!is_strict(&schema), "{schema}");
        }
    }
}
