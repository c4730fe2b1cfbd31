//! JSON Schemas of Rust types.
use schemars::JsonSchema;
use serde_json::Value;

/// The JSON Schema (2020-12) of what `T` is read from.
#[must_use]
pub fn of<T: JsonSchema>() -> Value {
    schemars::generate::SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}
