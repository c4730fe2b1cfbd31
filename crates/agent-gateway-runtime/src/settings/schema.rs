//! What an agent's `setup_schema` says beside what fits it: which fields are secret, needed, or given by default.
use std::collections::{BTreeSet, HashSet};

use agent_gateway_core::{JsonMap, agent::AgentDefinition};
use serde_json::Value;

/// Keywords that hold one schema, or several, that speak of the same object.
const SAME_OBJECT: [&str; 8] = ["allOf", "anyOf", "oneOf", "if", "then", "else", "not", "dependentSchemas"];

/// A read `setup_schema`. Without one, every object fits and nothing is secret.
#[derive(Debug, Default)]
pub(crate) struct SetupSchema<'a> {
    source: Option<&'a Value>,
    sensitive: BTreeSet<&'a str>,
    others: Others,
}

/// What holds of fields that are not known to be secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Others {
    /// They are shown.
    #[default]
    Plain,
    /// The schema may mean any of them: they are secret too.
    Secret,
}

/// Keywords that hold schemas of fields without naming them.
const UNNAMED_FIELDS: [&str; 3] = ["patternProperties", "additionalProperties", "unevaluatedProperties"];

impl<'a> SetupSchema<'a> {
    pub(crate) fn of(agent: &'a AgentDefinition) -> Self {
        let source = agent.setup_schema.as_deref();
        let (sensitive, others) = source.map(sensitive).unwrap_or_default();
        Self { source, sensitive, others }
    }

    /// The schema as it is written.
    pub(crate) fn source(&self) -> Option<&'a Value> {
        self.source
    }

    /// The fields that are secret.
    pub(crate) fn sensitive(&self) -> impl Iterator<Item = &'a str> {
        self.sensitive.iter().copied()
    }

    pub(crate) fn is_sensitive(&self, name: &str) -> bool {
        self.others == Others::Secret || self.sensitive.contains(name)
    }

    /// The values of fields that nobody set.
    pub(crate) fn defaults(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let properties = self.source.and_then(|source| source.get("properties")).and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        properties.filter_map(|(name, schema)| Some((name, schema.get("default")?)))
    }

    /// Whether every required field is there, given those that are set.
    pub(crate) fn is_complete(&self, is_set: impl Fn(&str) -> bool) -> bool {
        let required = self.source.and_then(|source| source.get("required")).and_then(Value::as_array);
        let mut required = required.into_iter().flatten().filter_map(Value::as_str);
        required.all(|name| is_set(name) || self.defaults().any(|(other, _)| other == name))
    }

    /// Fills the defaults in where nothing is set.
    pub(crate) fn fill(&self, values: &mut JsonMap) {
        for (name, value) in self.defaults() {
            if !values.contains_key(name) {
                values.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The properties that are marked `sensitive`, or in which something is. Such a field is secret as a whole.
fn sensitive(root: &Value) -> (BTreeSet<&str>, Others) {
    let mut others = Others::Plain;
    let (mut found, mut seen, mut open) = (BTreeSet::new(), HashSet::new(), vec![root]);
    while let Some(schema) = open.pop() {
        let Value::Object(keywords) = schema else { continue };
        if !seen.insert(std::ptr::from_ref(schema)) {
            continue;
        }
        for (name, property) in keywords.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if holds_sensitive(root, property) {
                found.insert(name.as_str());
            }
        }
        if UNNAMED_FIELDS.iter().filter_map(|key| keywords.get(*key)).any(|part| holds_sensitive(root, part))
        {
            others = Others::Secret;
        }
        for keyword in SAME_OBJECT {
            match keywords.get(keyword) {
                Some(Value::Array(schemas)) => open.extend(schemas),
                Some(Value::Object(schemas)) if keyword == "dependentSchemas" => {
                    open.extend(schemas.values())
                }
                Some(schema) => open.push(schema),
                None => {}
            }
        }
        if let Some(Value::String(place)) = keywords.get("$ref") {
            match pointed(root, place) {
                Some(part) => open.push(part),
                None => others = Others::Secret,
            }
        }
    }
    (found, others)
}

/// Whether a schema says `sensitive` anywhere. One that refers to a place that cannot be found may.
fn holds_sensitive(root: &Value, start: &Value) -> bool {
    let (mut seen, mut open) = (HashSet::new(), vec![start]);
    while let Some(part) = open.pop() {
        match part {
            Value::Array(parts) => open.extend(parts),
            Value::Object(members) if seen.insert(std::ptr::from_ref(part)) => {
                if members.get("sensitive").is_some_and(|mark| *mark == Value::Bool(true)) {
                    return true;
                }
                if let Some(Value::String(place)) = members.get("$ref") {
                    match pointed(root, place) {
                        Some(part) => open.push(part),
                        None => return true,
                    }
                }
                open.extend(members.values());
            }
            _ => {}
        }
    }
    false
}

/// What a reference within the document refers to.
fn pointed<'a>(root: &'a Value, place: &str) -> Option<&'a Value> {
    root.pointer(place.strip_prefix('#')?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_wherever_a_schema_hides_them() {
        let schema = json!({
            "properties": {
                "city": {"type": "string"},
                "key": {"type": "string", "sensitive": true},
                "pin": {"type": "integer", "sensitive": true},
                "account": {"type": "object", "properties": {"password": {"sensitive": true}}},
                "token": {"$ref": "#/$defs/token"},
                "elsewhere": {"$ref": "#unknown"},
                "tree": {"$ref": "#/$defs/tree"},
                "open": {"type": "string", "sensitive": false},
            },
            "allOf": [{"properties": {"late": {"sensitive": true}}}],
            "$defs": {
                "token": {"type": "string", "sensitive": true},
                "tree": {"properties": {"left": {"$ref": "#/$defs/tree"}}},
            },
        });
        let found: Vec<_> = sensitive(&schema).0.into_iter().collect();
        assert_eq!(found, ["account", "elsewhere", "key", "late", "pin", "token"]);
        assert!(sensitive(&json!({"$ref": "#"})).0.is_empty());
        assert!(sensitive(&json!(true)).0.is_empty());
    }
}
