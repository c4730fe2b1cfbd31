//! What the operator sets of the HTTP side.
use std::time::Duration;

use agent_gateway_core::config::{GatewayConfig, SecurityConfig};

/// Settings that every protocol over HTTP shares.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The largest request body in bytes; a larger one is answered with 413.
    pub max_body_bytes: usize,
    /// How long a request body may take to arrive; a slower one is answered with 408.
    pub body_timeout: Duration,
    /// The headers of every answer.
    pub security: SecurityConfig,
    /// Paths that answer callers without a credential, as far as they need no scope.
    pub public_paths: Vec<String>,
    /// The title of the API's description.
    pub title: String,
    /// The version of the API's description.
    pub version: String,
}

impl HttpOptions {
    /// The settings of a configuration.
    #[must_use]
    pub fn from_config(config: &GatewayConfig) -> Self {
        Self {
            max_body_bytes: config.server.max_body_bytes,
            body_timeout: Duration::from_secs(30),
            security: config.security.clone(),
            public_paths: config.auth.public_paths.clone(),
            title: "Agent Gateway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self::from_config(&GatewayConfig::default())
    }
}
