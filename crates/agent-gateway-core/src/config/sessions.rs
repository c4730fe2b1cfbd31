//! `sessions`: conversations turn by turn.
use serde::{Deserialize, Serialize};

/// The section `sessions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionsConfig {
    /// Messages of a session that the model is shown, the newest ones.
    pub max_history: u32,
}

impl Default for SessionsConfig {
    fn default() -> Self {
        Self { max_history: 100 }
    }
}
