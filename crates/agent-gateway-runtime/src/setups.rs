//! What protocols do with users' settings of personal agents.
use std::sync::Arc;

use agent_gateway_core::{
    JsonMap, Timestamp,
    agent::{AgentDefinition, AgentScope},
    id::{AgentId, UserId},
    ports::persistence::{AgentSetup, SetupCompletion},
    principal::Principal,
};
use agent_gateway_engine::AgentPlan;

use crate::{
    Refusal,
    gateway::{Alive, Shared},
    settings::{Given, Merged, SetupSchema, is_set, merge},
};

/// Reads, saves and deletes the caller's own settings. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Setups {
    pub(crate) shared: Arc<Shared>,
    pub(crate) _alive: Arc<Alive>,
}

/// A user's settings for an agent as they may be shown: of secrets the names alone.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShownSetup {
    /// The user.
    pub user_id: UserId,
    /// The agent.
    pub agent_id: AgentId,
    /// The user's instructions for the prompt.
    pub instructions: Option<String>,
    /// The settings that are no secrets.
    pub config_values: JsonMap,
    /// The names of the secrets that are stored.
    pub secrets: Vec<String>,
    /// Whether every field is there that the agent's schema requires now.
    pub completion: SetupCompletion,
    /// When made.
    pub created_at: Timestamp,
    /// When last changed.
    pub updated_at: Timestamp,
}

impl Setups {
    /// The agent whose `setup_schema` users fill in. An agent that serves everyone alike is [`Refusal::NotPersonal`].
    pub fn agent(&self, id: &str) -> Result<Arc<AgentDefinition>, Refusal> {
        Ok(self.personal(id)?.definition.clone())
    }

    /// Stores the caller's settings: `instructions`, and fields that fit the agent's `setup_schema`.
    ///
    /// They replace those before, but for secrets that are left out or sent as `"***"`: these stay. `null` removes one.
    pub async fn save(&self, agent: &str, body: JsonMap, who: &Principal) -> Result<ShownSetup, Refusal> {
        let user = identity(agent, who)?;
        let plan = self.personal(agent)?;
        let agent = &*plan.definition;
        let given = Given::read(body)?;
        let (ports, users) = (&self.shared.ports, self.shared.ports.persistence.users());
        let earlier = users.setup(user, &agent.id).await?;
        let merged = merge(given, earlier.as_ref(), (user, agent), &ports.keyring)?;
        let now = ports.clock.now();
        let mut setup = AgentSetup::new(user.clone(), agent.id.clone(), now);
        let Merged { instructions, config_values, sealed_secrets } = merged;
        (setup.instructions, setup.config_values) = (instructions, config_values);
        setup.sealed_secrets = sealed_secrets;
        setup.created_at = earlier.map_or(now, |earlier| earlier.created_at);
        setup.completion = completion(&setup, &SetupSchema::of(agent));
        users.put_setup(&setup).await?;
        Ok(shown(setup, agent))
    }

    /// The caller's settings, `None` when there are none.
    pub async fn get(&self, agent: &str, who: &Principal) -> Result<Option<ShownSetup>, Refusal> {
        let user = identity(agent, who)?;
        let plan = self.personal(agent)?;
        let setup = self.shared.ports.persistence.users().setup(user, &plan.definition.id).await?;
        Ok(setup.map(|setup| shown(setup, &plan.definition)))
    }

    /// Deletes the caller's settings, also of an agent that is not personal or not served any more; answers whether there
    /// were any.
    pub async fn delete(&self, agent: &str, who: &Principal) -> Result<bool, Refusal> {
        let user = identity(agent, who)?;
        let id = AgentId::new(agent).map_err(|_| Refusal::AgentNotFound(agent.to_owned()))?;
        if self.shared.ports.persistence.users().delete_setup(user, &id).await? {
            return Ok(true);
        }
        self.personal(agent).map(|_| false)
    }

    fn personal(&self, id: &str) -> Result<Arc<AgentPlan>, Refusal> {
        let plan = self.shared.snapshot.load().plan(id).cloned();
        let plan = plan.ok_or_else(|| Refusal::AgentNotFound(id.to_owned()))?;
        match plan.definition.scope {
            AgentScope::Personal => Ok(plan),
            AgentScope::Global => Err(Refusal::NotPersonal(plan.definition.id.clone())),
        }
    }
}

/// The names of the secret fields in an agent's `setup_schema`: without a key, users cannot save them.
#[must_use]
pub fn sensitive_fields(agent: &AgentDefinition) -> Vec<&str> {
    SetupSchema::of(agent).sensitive().collect()
}

fn identity<'a>(agent: &str, who: &'a Principal) -> Result<&'a UserId, Refusal> {
    let id = || {
        AgentId::new(agent)
            .map_or_else(|_| Refusal::AgentNotFound(agent.to_owned()), Refusal::IdentityRequired)
    };
    who.id().ok_or_else(id)
}

fn completion(setup: &AgentSetup, schema: &SetupSchema<'_>) -> SetupCompletion {
    if schema.is_complete(|name| is_set(setup, name)) {
        SetupCompletion::Complete
    } else {
        SetupCompletion::Partial
    }
}

/// What is stored in clear is not shown where the schema calls it a secret now.
fn shown(setup: AgentSetup, agent: &AgentDefinition) -> ShownSetup {
    let schema = SetupSchema::of(agent);
    let completion = completion(&setup, &schema);
    let (hidden, config_values): (JsonMap, JsonMap) =
        setup.config_values.into_iter().partition(|(name, _)| schema.is_sensitive(name));
    let mut secrets: Vec<String> =
        setup.sealed_secrets.into_keys().chain(hidden.into_iter().map(|(name, _)| name)).collect();
    secrets.sort_unstable();
    secrets.dedup();
    ShownSetup {
        user_id: setup.user_id,
        agent_id: setup.agent_id,
        instructions: setup.instructions,
        config_values,
        secrets,
        completion,
        created_at: setup.created_at,
        updated_at: setup.updated_at,
    }
}
