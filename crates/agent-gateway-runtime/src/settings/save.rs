//! What a user sends, put together with what is stored.
use std::collections::BTreeMap;

use agent_gateway_core::{JsonMap, agent::AgentDefinition, id::UserId, ports::persistence::AgentSetup};
use agent_gateway_engine::{FieldError, Schema};
use serde_json::{Value, json};

use super::{SetupSchema, Values};
use crate::{
    Refusal,
    seal::{Keyring, Place, SealError},
};

/// What stands for a secret that is not shown. Sent back, it means: as it is.
pub const MASK: &str = "***";
/// The most characters of a user's instructions.
pub const MAX_INSTRUCTIONS_CHARS: usize = 4_000;
/// The most bytes of JSON of a user's settings for one agent.
pub const MAX_SETTINGS_BYTES: usize = 64 * 1024;
/// The field that is no setting.
const INSTRUCTIONS: &str = "instructions";
/// What is said of a whole object without repeating its values.
const WITHOUT_VALUES: [&str; 5] =
    ["missing", "additionalProperties", "unevaluatedProperties", "propertyNames", "false"];

/// What a user sends, apart.
#[derive(Debug)]
pub(crate) struct Given {
    instructions: Option<String>,
    values: JsonMap,
    errors: Vec<FieldError>,
}

/// Settings ready to be stored.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) instructions: Option<String>,
    pub(crate) config_values: JsonMap,
    pub(crate) sealed_secrets: BTreeMap<String, String>,
}

impl Given {
    /// Splits the instructions off. Settings that are too large are looked at no further.
    pub(crate) fn read(mut body: JsonMap) -> Result<Self, Refusal> {
        check_size(&body)?;
        let mut errors = Vec::new();
        let mut refuse = |kind, msg: String| errors.push(error(&[INSTRUCTIONS], kind, msg));
        let instructions = match body.remove(INSTRUCTIONS) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                if text.chars().nth(MAX_INSTRUCTIONS_CHARS).is_some() {
                    let msg = format!("String should have at most {MAX_INSTRUCTIONS_CHARS} characters");
                    refuse("string_too_long", msg);
                }
                Some(text).filter(|text| !text.trim().is_empty())
            }
            Some(_) => {
                refuse("string_type", "Input should be a valid string".to_owned());
                None
            }
        };
        Ok(Self { instructions, values: body, errors })
    }
}

/// Puts what a user sends together with what is stored, holds it against the schema, and seals the secrets.
///
/// Settings replace those before. A secret that is left out or sent as [`MASK`] stays, and `null` removes it.
pub(crate) fn merge(
    given: Given,
    earlier: Option<&AgentSetup>,
    (user, agent): (&UserId, &AgentDefinition),
    keyring: &Keyring,
) -> Result<Merged, Refusal> {
    let schema = SetupSchema::of(agent);
    let Given { instructions, values, mut errors } = given;
    let (sent, config): (JsonMap, JsonMap) =
        values.into_iter().partition(|(name, _)| schema.is_sensitive(name));
    let is_kept = |name: &str| match sent.get(name) {
        None => true,
        Some(value) => *value == MASK,
    };
    let mut secrets =
        kept(earlier, &schema, is_kept, keyring).map_err(|_| Refusal::SecretsUnreadable(agent.id.clone()))?;
    secrets.extend(sent.into_iter().filter(|(_, value)| !value.is_null() && *value != MASK));
    errors.extend(violations(&schema, &config, &secrets)?);
    if !errors.is_empty() {
        return Err(Refusal::SettingsInvalid(errors));
    }
    let seal = |(field, value): (String, Value)| {
        let place = Place::Setting { user, agent: &agent.id, field: &field };
        let token = keyring.seal(&value.to_string().into(), place);
        token.map(|token| (field, token)).map_err(|error| match error {
            SealError::NoKey => Refusal::SecretKeyMissing(agent.id.clone()),
            SealError::OtherKey | SealError::Damaged => Refusal::SecretsUnreadable(agent.id.clone()),
        })
    };
    let sealed_secrets = secrets.into_iter().map(seal).collect::<Result<_, _>>()?;
    Ok(Merged { instructions, config_values: config, sealed_secrets })
}

/// The stored secrets that stay. Only they need to be opened.
fn kept(
    earlier: Option<&AgentSetup>,
    schema: &SetupSchema<'_>,
    is_kept: impl Fn(&str) -> bool,
    keyring: &Keyring,
) -> Result<JsonMap, SealError> {
    let Some(earlier) = earlier else { return Ok(JsonMap::new()) };
    let mut staying = earlier.clone();
    staying.sealed_secrets.retain(|name, _| schema.is_sensitive(name) && is_kept(name));
    staying.config_values.retain(|name, _| schema.is_sensitive(name) && is_kept(name));
    Values::open(keyring, &staying, schema).map(|values| values.secrets)
}

fn violations(
    schema: &SetupSchema<'_>,
    config: &JsonMap,
    secrets: &JsonMap,
) -> Result<Vec<FieldError>, Refusal> {
    let mut whole: JsonMap = config.clone();
    whole.extend(secrets.clone());
    check_size(&whole)?;
    let Some(source) = schema.source() else { return Ok(Vec::new()) };
    schema.fill(&mut whole);
    let mut errors = Schema::compile(source)?.check(&Value::Object(whole), &["body"]);
    for error in &mut errors {
        // What is said of a value may repeat it.
        let tells = match error.loc.get(1).and_then(Value::as_str) {
            Some(name) => schema.is_sensitive(name),
            None => !secrets.is_empty(),
        };
        if tells && !WITHOUT_VALUES.contains(&error.kind.as_str()) {
            error.msg = format!("the value does not fit '{}' of the schema", error.kind);
        }
    }
    Ok(errors)
}

fn check_size(values: &JsonMap) -> Result<(), Refusal> {
    let size = serde_json::to_vec(values).map_or(usize::MAX, |bytes| bytes.len());
    if size <= MAX_SETTINGS_BYTES {
        return Ok(());
    }
    let msg = format!("the settings are {size} bytes of JSON; at most {MAX_SETTINGS_BYTES} are stored");
    Err(Refusal::SettingsInvalid(vec![error(&[], "too_long", msg)]))
}

fn error(loc: &[&str], kind: &str, msg: String) -> FieldError {
    let loc = std::iter::once(&"body").chain(loc).map(|part| json!(part)).collect();
    FieldError { loc, msg, kind: kind.to_owned() }
}
