//! `persistence`: where everything is kept.
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The section `persistence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersistenceConfig {
    /// Whether anything outlives the process.
    pub enabled: bool,
    /// The backend's name; which names exist is the catalog's knowledge.
    pub backend: String,
    /// Where the database is; it may hold a password.
    pub url: Secret,
    /// Stands before every table's name.
    pub table_prefix: String,
    /// The schema, for databases that have them.
    pub db_schema: Option<String>,
    /// Connections that are kept open, for databases that have several.
    pub pool_size: u32,
    /// Further connections that a rush may open.
    pub max_overflow: u32,
}

impl Default for PersistenceConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            backend: "sqlite".into(),
            url: Secret::new("sqlite+aiosqlite:///agent_gateway.db"),
            table_prefix: String::new(),
            db_schema: None,
            pool_size: 10,
            max_overflow: 20,
        }
    }
}
