//! MCP servers and their sealed secrets.
use agent_gateway_core::{
    Result,
    id::ConnectionId,
    ports::persistence::{Connection, ConnectionStore, PersistenceBackend},
};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::shared::Shared;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Create(Connection),
    Update(Connection),
    Delete { id: ConnectionId },
}

impl Change {
    pub(super) async fn apply(&self, to: &dyn ConnectionStore) -> Result<()> {
        match self {
            Self::Create(connection) => to.create(connection).await,
            Self::Update(connection) => to.update(connection).await,
            Self::Delete { id } => to.delete(id).await.map(drop),
        }
    }
}

#[async_trait]
impl ConnectionStore for Shared {
    async fn create(&self, connection: &Connection) -> Result<()> {
        self.write(Change::Create(connection.clone())).await
    }

    async fn update(&self, connection: &Connection) -> Result<()> {
        self.write(Change::Update(connection.clone())).await
    }

    async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>> {
        self.begin().await?.memory().connections().get(id).await
    }

    async fn list(&self) -> Result<Vec<Connection>> {
        self.begin().await?.memory().connections().list().await
    }

    async fn delete(&self, id: &ConnectionId) -> Result<bool> {
        let turn = self.begin().await?;
        let deleted = turn.memory().connections().delete(id).await?;
        if deleted {
            turn.append(Change::Delete { id: id.clone() }).await?;
        }
        Ok(deleted)
    }
}
