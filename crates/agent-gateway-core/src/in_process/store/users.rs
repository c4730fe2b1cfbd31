//! Users and their settings for agents.
use std::collections::HashMap;

use async_trait::async_trait;

use super::Table;
use crate::{
    Result,
    id::{AgentId, UserId},
    ports::persistence::{AgentSetup, UserProfile, UserStore},
};

#[derive(Debug, Default)]
pub(super) struct Rows {
    profiles: HashMap<UserId, UserProfile>,
    setups: HashMap<(UserId, AgentId), AgentSetup>,
}

#[async_trait]
impl UserStore for Table<Rows> {
    async fn put(&self, profile: &UserProfile) -> Result<()> {
        let mut rows = self.rows()?;
        let earlier = rows.profiles.get(&profile.id).map(|stored| stored.first_seen_at);
        if earlier.is_none() {
            self.check_room(rows.profiles.len(), "users")?;
        }
        let first_seen_at = earlier.unwrap_or(profile.first_seen_at);
        rows.profiles.insert(profile.id.clone(), UserProfile { first_seen_at, ..profile.clone() });
        Ok(())
    }

    async fn get(&self, id: &UserId) -> Result<Option<UserProfile>> {
        Ok(self.rows()?.profiles.get(id).cloned())
    }

    async fn delete(&self, id: &UserId) -> Result<bool> {
        let mut rows = self.rows()?;
        rows.setups.retain(|(user, _), _| user != id);
        Ok(rows.profiles.remove(id).is_some())
    }

    async fn put_setup(&self, setup: &AgentSetup) -> Result<()> {
        let mut rows = self.rows()?;
        let key = (setup.user_id.clone(), setup.agent_id.clone());
        let earlier = rows.setups.get(&key).map(|stored| stored.created_at);
        if earlier.is_none() {
            self.check_room(rows.setups.len(), "settings")?;
        }
        let created_at = earlier.unwrap_or(setup.created_at);
        rows.setups.insert(key, AgentSetup { created_at, ..setup.clone() });
        Ok(())
    }

    async fn setup(&self, user: &UserId, agent: &AgentId) -> Result<Option<AgentSetup>> {
        Ok(self.rows()?.setups.get(&(user.clone(), agent.clone())).cloned())
    }

    async fn delete_setup(&self, user: &UserId, agent: &AgentId) -> Result<bool> {
        Ok(self.rows()?.setups.remove(&(user.clone(), agent.clone())).is_some())
    }
}
