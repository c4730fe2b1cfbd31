use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Result, Timestamp, agent::Activation, id::ConnectionId};

/// A stored MCP server. Secrets are sealed before they come here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Connection {
    /// Its id.
    pub id: ConnectionId,
    /// Its name, unique, the prefix of its tools.
    pub name: String,
    /// How it is reached.
    pub transport: ConnectionTransport,
    /// Whether it is used.
    pub activation: Activation,
    /// The sealed environment, a token.
    pub sealed_env: Option<String>,
    /// The sealed headers, a token.
    pub sealed_headers: Option<String>,
    /// The sealed credentials, a token.
    pub sealed_credentials: Option<String>,
    /// When made.
    pub created_at: Timestamp,
    /// When last changed.
    pub updated_at: Option<Timestamp>,
}

impl Connection {
    /// An active server without secrets.
    pub fn new(
        id: ConnectionId,
        name: impl Into<String>,
        transport: ConnectionTransport,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            transport,
            activation: Activation::Active,
            sealed_env: None,
            sealed_headers: None,
            sealed_credentials: None,
            created_at: at,
            updated_at: None,
        }
    }
}

/// How an MCP server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionTransport {
    /// A process that the gateway starts.
    Stdio {
        /// The program.
        command: String,
        /// Its arguments.
        args: Vec<String>,
    },
    /// An HTTP endpoint.
    StreamableHttp {
        /// Its address.
        url: String,
    },
}

/// MCP servers and their sealed secrets.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// Stores a new server. A taken id or name is `AlreadyExists`.
    async fn create(&self, connection: &Connection) -> Result<()>;

    /// Replaces a server and keeps `created_at`. An unknown id is `NotFound`, a taken name `AlreadyExists`.
    async fn update(&self, connection: &Connection) -> Result<()>;

    /// The server, `None` when there is none.
    async fn get(&self, id: &ConnectionId) -> Result<Option<Connection>>;

    /// All servers by the time they were made, at most 1 000.
    async fn list(&self) -> Result<Vec<Connection>>;

    /// Removes it; answers whether there was one.
    async fn delete(&self, id: &ConnectionId) -> Result<bool>;
}
