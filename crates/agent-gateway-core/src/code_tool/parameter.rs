//! One parameter of a tool: what the model is told of it, and what happens when it is left out.
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::arguments::take;
use crate::{Error, JsonMap, Result};

/// The longest name of a parameter.
const MAX_NAME: usize = 64;

/// A parameter of type `T`. `Option<T>` and a default make one that the model may leave out.
#[derive(Debug)]
pub struct Parameter<T> {
    pub(super) property: Property,
    /// Takes the argument out of those of a call.
    pub(super) take: fn(&mut JsonMap, &str) -> Result<T>,
}

/// A parameter whose type is forgotten.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) schema: fn(&mut SchemaGenerator) -> Schema,
    pub(super) presence: Presence,
    /// What was wrong with it when it was made.
    pub(super) check: Result<()>,
}

/// Whether the model must give an argument.
#[derive(Debug)]
pub(super) enum Presence {
    /// It must.
    Required,
    /// It need not: the type has a value for none.
    Optional,
    /// It need not: this is the value then.
    Default(Value),
}

impl<T: JsonSchema + DeserializeOwned> Parameter<T> {
    /// A parameter that is described by its name alone.
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let presence = match serde_json::from_value::<T>(Value::Null) {
            Ok(_) => Presence::Optional,
            Err(_) => Presence::Required,
        };
        let property = Property {
            check: check_name(&name),
            name,
            description: None,
            schema: |generator| generator.subschema_for::<T>(),
            presence,
        };
        Self { property, take }
    }

    /// What it is for, in the words that the model reads.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.property.description = Some(text.into());
        self
    }

    /// The value of an argument that the model leaves out.
    #[must_use]
    pub fn default(mut self, value: T) -> Self
    where
        T: Serialize,
    {
        match serde_json::to_value(value) {
            Ok(value) => self.property.presence = Presence::Default(value),
            Err(error) => {
                let message =
                    format!("the default of the parameter '{}' is no JSON: {error}", self.property.name);
                self.property.check = Err(Error::invalid(message));
            }
        }
        self
    }
}

/// Providers accept no other names.
fn check_name(name: &str) -> Result<()> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(fits) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    let message = "not a valid parameter name: letters, digits, `_`, `-` and `.`, at most 64";
    Err(Error::invalid(message).with("parameter", shown))
}
