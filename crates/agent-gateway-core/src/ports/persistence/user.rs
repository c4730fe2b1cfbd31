use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    JsonMap, Result, Timestamp,
    id::{AgentId, UserId},
};

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserProfile {
    /// The identity.
    pub id: UserId,
    /// The name shown to people.
    pub display_name: Option<String>,
    /// The address.
    pub email: Option<String>,
    /// Other claims.
    pub metadata: JsonMap,
    /// When first seen.
    pub first_seen_at: Timestamp,
    /// When last seen.
    pub last_seen_at: Timestamp,
}

impl UserProfile {
    /// A user seen at `at`.
    #[must_use]
    pub fn new(id: UserId, at: Timestamp) -> Self {
        Self {
            id,
            display_name: None,
            email: None,
            metadata: JsonMap::new(),
            first_seen_at: at,
            last_seen_at: at,
        }
    }
}

/// A user's settings for one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AgentSetup {
    /// The user.
    pub user_id: UserId,
    /// The agent.
    pub agent_id: AgentId,
    /// The user's instructions for the prompt.
    pub instructions: Option<String>,
    /// The settings that are no secrets.
    pub config_values: JsonMap,
    /// The secrets, sealed: field to token.
    pub sealed_secrets: BTreeMap<String, String>,
    /// Whether every required field is there.
    pub completion: SetupCompletion,
    /// When made.
    pub created_at: Timestamp,
    /// When last changed.
    pub updated_at: Timestamp,
}

impl AgentSetup {
    /// Empty settings made at `at`.
    #[must_use]
    pub fn new(user_id: UserId, agent_id: AgentId, at: Timestamp) -> Self {
        Self {
            user_id,
            agent_id,
            instructions: None,
            config_values: JsonMap::new(),
            sealed_secrets: BTreeMap::new(),
            completion: SetupCompletion::Partial,
            created_at: at,
            updated_at: at,
        }
    }
}

/// Whether a user's settings suffice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetupCompletion {
    /// Every required field is there.
    Complete,
    /// Something is missing.
    Partial,
}

/// Users and their settings for agents.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// Stores the profile, and keeps `first_seen_at` of an earlier one.
    async fn put(&self, profile: &UserProfile) -> Result<()>;

    /// The profile, `None` when there is none.
    async fn get(&self, id: &UserId) -> Result<Option<UserProfile>>;

    /// Removes the profile and the user's settings; answers whether there was a profile.
    async fn delete(&self, id: &UserId) -> Result<bool>;

    /// Stores the settings, and keeps `created_at` of earlier ones.
    async fn put_setup(&self, setup: &AgentSetup) -> Result<()>;

    /// The settings, `None` when there are none.
    async fn setup(&self, user: &UserId, agent: &AgentId) -> Result<Option<AgentSetup>>;

    /// Removes the settings; answers whether there were any.
    async fn delete_setup(&self, user: &UserId, agent: &AgentId) -> Result<bool>;
}
