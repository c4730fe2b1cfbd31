//! Users and their settings for agents.
use agent_gateway_core::{
    Result,
    id::{AgentId, UserId},
    ports::persistence::{AgentSetup, PersistenceBackend, UserProfile, UserStore},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Put(UserProfile),
    Delete { id: UserId },
    PutSetup(AgentSetup),
    DeleteSetup { user: UserId, agent: AgentId },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn UserStore) -> Result<()> {
        match self {
            Self::Put(profile) => to.put(profile).await,
            Self::Delete { id } => to.delete(id).await.map(drop),
            Self::PutSetup(setup) => to.put_setup(setup).await,
            Self::DeleteSetup { user, agent } => to.delete_setup(user, agent).await.map(drop),
        }
    }
}

#[async_trait]
impl UserStore for Shared {
    async fn put(&self, profile: &UserProfile) -> Result<()> {
        self.write(Change::Put(profile.clone())).await
    }

    async fn get(&self, id: &UserId) -> Result<Option<UserProfile>> {
        self.begin().await?.memory().users().get(id).await
    }

    async fn delete(&self, id: &UserId) -> Result<bool> {
        let turn = self.begin().await?;
        let deleted = turn.memory().users().delete(id).await?;
        // Settings without a profile are removed too, so the change is kept whatever the answer is.
        turn.append(Change::Delete { id: id.clone() }).await?;
        Ok(deleted)
    }

    async fn put_setup(&self, setup: &AgentSetup) -> Result<()> {
        self.write(Change::PutSetup(setup.clone())).await
    }

    async fn setup(&self, user: &UserId, agent: &AgentId) -> Result<Option<AgentSetup>> {
        self.begin().await?.memory().users().setup(user, agent).await
    }

    async fn delete_setup(&self, user: &UserId, agent: &AgentId) -> Result<bool> {
        let turn = self.begin().await?;
        let deleted = turn.memory().users().delete_setup(user, agent).await?;
        if deleted {
            turn.append(Change::DeleteSetup { user: user.clone(), agent: agent.clone() }).await?;
        }
        Ok(deleted)
    }
}
