//! What Rust types say of themselves, in words that model providers understand.
use schemars::{
    JsonSchema, Schema, SchemaGenerator,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Value, json};

use super::parameter::{Presence, Property};
use crate::{Error, JsonMap, Result};

/// Formats that only Rust knows: some providers refuse a schema that has one, and the bounds stand beside it.
const RUST_FORMATS: &[&str] =
    &["int8", "int16", "int128", "int", "uint8", "uint16", "uint32", "uint64", "uint128", "uint"];

/// A generator that refers to a definition only where a type contains itself.
fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    SchemaGenerator::new(settings)
}

/// The schema of one struct that holds all arguments.
pub(super) fn of_struct<T: JsonSchema>() -> Result<Value> {
    let mut schema = generator().into_root_schema_for::<T>();
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        let message =
            "the arguments of a tool are a struct with named fields, and this type is something else";
        return Err(Error::invalid(message).with("type", T::schema_name()));
    }
    schema.remove("title");
    Portable.transform(&mut schema);
    Ok(schema.to_value())
}

/// The schema of an object with these properties, and the values of those that have a default.
pub(super) fn of_properties(properties: Vec<Property>) -> (Value, JsonMap) {
    let mut generator = generator();
    let (mut described, mut required, mut defaults) = (JsonMap::new(), Vec::new(), JsonMap::new());
    for Property { name, description, schema, presence, .. } in properties {
        let mut schema = schema(&mut generator);
        let schema = schema.ensure_object();
        match description {
            Some(text) => drop(schema.insert("description".to_owned(), json!(text))),
            None => drop(schema.entry("description").or_insert_with(|| json!(name))),
        }
        match presence {
            Presence::Required => required.push(name.clone()),
            Presence::Optional => {}
            Presence::Default(value) => {
                schema.insert("default".to_owned(), value.clone());
                defaults.insert(name.clone(), value);
            }
        }
        described.insert(name, Value::Object(std::mem::take(schema)));
    }
    let mut root = json!({"type": "object", "properties": described, "required": required});
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        root["$defs"] = Value::Object(definitions);
    }
    let mut root = Schema::try_from(root).unwrap_or_default();
    Portable.transform(&mut root);
    (root.to_value(), defaults)
}

#[derive(Clone, Debug)]
struct Portable;

impl Transform for Portable {
    fn transform(&mut self, schema: &mut Schema) {
        let format = schema.get("format").and_then(Value::as_str);
        if format.is_some_and(|format| RUST_FORMATS.contains(&format)) {
            schema.remove("format");
        }
        transform_subschemas(self, schema);
    }
}
