//! `notifications`: who is told of results.
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The section `notifications`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationsConfig {
    /// Slack.
    pub slack: SlackConfig,
    /// Endpoints that agents refer to by name.
    pub webhooks: Vec<WebhookConfig>,
    /// Signs for endpoints that have no secret of their own; empty: such messages are not signed.
    pub webhook_secret: Secret,
}

/// The section `notifications.slack`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlackConfig {
    /// Whether messages are sent.
    pub enabled: bool,
    /// The bot's token.
    pub bot_token: Secret,
    /// The channel of targets that name none.
    pub default_channel: String,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self { enabled: false, bot_token: Secret::default(), default_channel: "#agent-alerts".into() }
    }
}

/// One entry of `notifications.webhooks`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookConfig {
    /// The name that agents refer to.
    pub name: String,
    /// The address.
    pub url: String,
    /// Signs its messages; empty: `notifications.webhook_secret` does.
    #[serde(default)]
    pub secret: Secret,
    /// The events it is told of; empty: all.
    #[serde(default)]
    pub events: Vec<String>,
    /// The template of the body; absent: the standard body.
    #[serde(default)]
    pub payload_template: Option<String>,
}
