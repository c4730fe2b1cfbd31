//! A user's settings of a personal agent, as a run gets them.
use std::{collections::BTreeMap, sync::Arc};

use agent_gateway_core::{
    JsonMap,
    agent::{AgentDefinition, AgentScope},
    id::UserId,
    ports::persistence::AgentSetup,
    secret::Secret,
};
use serde_json::Value;

use crate::{
    Ports, Refusal,
    admit::Admitted,
    seal::{Keyring, Opened, Place, SealError},
};

mod save;
mod schema;

pub(crate) use save::{Given, Merged, merge};
pub use save::{MASK, MAX_INSTRUCTIONS_CHARS, MAX_SETTINGS_BYTES};
pub(crate) use schema::SetupSchema;

/// What a run knows of its user. Of an agent that serves everyone alike, that is nothing.
#[derive(Debug, Default)]
pub(crate) struct UserSettings {
    /// For the prompt.
    pub(crate) instructions: Option<Arc<str>>,
    /// For the tools.
    pub(crate) config: Arc<JsonMap>,
    /// For the tools, and for nobody else.
    pub(crate) secrets: Arc<BTreeMap<String, Secret>>,
}

/// The stage behind admission: a personal agent runs by its user's settings, or not at all.
pub(crate) async fn equip(ports: &Ports, mut admitted: Admitted) -> Result<Admitted, Refusal> {
    let user = admitted.execution.user_id.as_ref();
    admitted.settings = load(ports, &admitted.plan.definition, user).await?;
    Ok(admitted)
}

/// The settings of `user` as they are now, with the schema's defaults.
pub(crate) async fn load(
    ports: &Ports,
    agent: &AgentDefinition,
    user: Option<&UserId>,
) -> Result<UserSettings, Refusal> {
    if agent.scope == AgentScope::Global {
        return Ok(UserSettings::default());
    }
    let user = user.ok_or_else(|| Refusal::IdentityRequired(agent.id.clone()))?;
    let setup = ports.persistence.users().setup(user, &agent.id).await?;
    let setup = setup.ok_or_else(|| Refusal::SetupRequired(agent.id.clone()))?;
    let schema = SetupSchema::of(agent);
    if !schema.is_complete(|name| is_set(&setup, name)) {
        return Err(Refusal::SetupRequired(agent.id.clone()));
    }
    let Values { mut config, mut secrets } =
        Values::open(&ports.keyring, &setup, &schema).map_err(|error| {
            tracing::error!(agent_id = %agent.id, reason = ?error, "stored secrets cannot be opened");
            Refusal::SecretsUnreadable(agent.id.clone())
        })?;
    for (name, value) in schema.defaults().filter(|(name, _)| !is_set(&setup, name)) {
        let values = if schema.is_sensitive(name) { &mut secrets } else { &mut config };
        values.insert(name.clone(), value.clone());
    }
    Ok(UserSettings {
        instructions: setup.instructions.as_deref().map(Arc::from),
        config: Arc::new(config),
        secrets: Arc::new(secrets.into_iter().map(|(name, value)| (name, plain(value))).collect()),
    })
}

/// Whether a field is stored, in clear or sealed.
pub(crate) fn is_set(setup: &AgentSetup, name: &str) -> bool {
    setup.config_values.contains_key(name) || setup.sealed_secrets.contains_key(name)
}

/// A secret as tools get it: a text as it is, anything else as JSON.
fn plain(value: Value) -> Secret {
    match value {
        Value::String(text) => Secret::new(text),
        other => Secret::new(other.to_string()),
    }
}

/// Stored settings with every secret opened. Not for showing.
struct Values {
    config: JsonMap,
    secrets: JsonMap,
}

impl Values {
    /// What is stored in clear counts as secret where the schema says so now.
    fn open(keyring: &Keyring, setup: &AgentSetup, schema: &SetupSchema<'_>) -> Result<Self, SealError> {
        let (secret, config): (Vec<_>, Vec<_>) =
            setup.config_values.clone().into_iter().partition(|(name, _)| schema.is_sensitive(name));
        let mut secrets = JsonMap::from_iter(secret);
        for (field, token) in &setup.sealed_secrets {
            let place = Place::Setting { user: &setup.user_id, agent: &setup.agent_id, field };
            secrets.insert(field.clone(), read(keyring.open(token, place)?)?);
        }
        Ok(Self { config: config.into_iter().collect(), secrets })
    }
}

/// The Python package seals texts alone, and as they are.
fn read(opened: Opened) -> Result<Value, SealError> {
    match opened {
        Opened::Own(json) => serde_json::from_str(json.expose()).map_err(|_| SealError::Damaged),
        Opened::Fernet(text) => Ok(Value::String(text.expose().to_owned())),
    }
}
