//! `server`: where it listens and what it accepts.
use serde::{Deserialize, Serialize};

/// The section `server`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to bind. Without authentication it is the loopback address, see `allow_unauthenticated`.
    pub host: String,
    /// The port to bind; 0 takes a free one.
    pub port: u16,
    /// Threads that serve requests.
    pub workers: usize,
    /// Lets a gateway without authentication listen beyond the loopback address.
    pub allow_unauthenticated: bool,
    /// The largest request body, in bytes; a larger one is answered with 413.
    pub max_body_bytes: usize,
    /// Connections that may be open at once; further ones wait to be accepted.
    pub max_connections: usize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".into(),
            port: 8000,
            workers: 1,
            allow_unauthenticated: false,
            max_body_bytes: 10 * 1024 * 1024,
            max_connections: 10_000,
        }
    }
}
