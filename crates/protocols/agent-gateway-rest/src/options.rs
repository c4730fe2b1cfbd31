//! What the operator sets of this API.
use agent_gateway_core::config::GatewayConfig;
use agent_gateway_http::HttpOptions;

/// Settings of the REST API.
#[derive(Clone, Debug, Default)]
pub struct RestOptions {
    /// What it shares with every protocol over HTTP.
    pub http: HttpOptions,
    /// Whether `POST /v1/reload` works.
    pub reload: Reload,
}

impl RestOptions {
    /// The settings of a configuration. Reloading is switched on by the command line, not by a file.
    #[must_use]
    pub fn from_config(config: &GatewayConfig) -> Self {
        Self { http: HttpOptions::from_config(config), reload: Reload::Disabled }
    }

    /// The same with or without reloading.
    #[must_use]
    pub fn reload(mut self, reload: Reload) -> Self {
        self.reload = reload;
        self
    }
}

/// Whether the workspace may be read again over HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reload {
    /// It may, by callers with the scope `admin`.
    Enabled,
    /// It may not.
    #[default]
    Disabled,
}
