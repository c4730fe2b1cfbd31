//! What the operator sets: one typed struct for each section of `gateway.yaml`.
//!
//! `Default` is the documented default of every key. Unknown keys are refused. [`GatewayConfig::validate`] checks what
//! types cannot say. Where a value came from (file, environment, default) is the reader's knowledge, not kept here.
mod access;
mod auth;
mod dashboard;
mod memory;
mod model;
mod notifications;
mod queue;
mod server;
mod sessions;
mod storage;
mod telemetry;
mod tools;
mod validate;

use serde::{Deserialize, Serialize};

pub use access::{CorsConfig, ProxyConfig, RateLimitConfig, SecurityConfig};
pub use auth::{ApiKeyConfig, AuthConfig, AuthMode, Oauth2Config};
pub use dashboard::{
    DashboardAuthConfig, DashboardConfig, DashboardOauth2Config, SameSite, ThemeColors, ThemeConfig,
    ThemeMode,
};
pub use memory::{CompactionConfig, ContextRetrievalConfig, MemoryConfig};
pub use model::{ApprovalsConfig, GuardrailsConfig, ModelConfig, ModelPrice, ProviderApi, ProviderConfig};
pub use notifications::{NotificationsConfig, SlackConfig, WebhookConfig};
pub use queue::{CronDialect, DistributedLockConfig, LockChoice, QueueConfig, SchedulerConfig};
pub use server::ServerConfig;
pub use sessions::SessionsConfig;
pub use storage::PersistenceConfig;
pub use telemetry::{Exporter, OtlpProtocol, TelemetryConfig};
pub use tools::{McpConfig, ToolVisibility, ToolsConfig};
pub use validate::Finding;

use crate::JsonMap;

/// Everything that `gateway.yaml` may say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// The IANA zone of schedules that name none.
    pub timezone: String,
    /// Free values for the application that embeds the gateway.
    pub context: JsonMap,
    /// Where the server listens and what it accepts.
    pub server: ServerConfig,
    /// Conversations.
    pub sessions: SessionsConfig,
    /// Models, their providers and prices.
    pub model: ModelConfig,
    /// What one run may use.
    pub guardrails: GuardrailsConfig,
    /// Tool calls that wait for a person.
    pub approvals: ApprovalsConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// Who is told of results.
    pub notifications: NotificationsConfig,
    /// Where everything is kept.
    pub persistence: PersistenceConfig,
    /// Traces and metrics.
    pub telemetry: TelemetryConfig,
    /// How queued runs are handed out.
    pub queue: QueueConfig,
    /// Runs by the clock.
    pub scheduler: SchedulerConfig,
    /// Retrievers and static context.
    pub context_retrieval: ContextRetrievalConfig,
    /// MCP servers.
    pub mcp: McpConfig,
    /// What agents remember.
    pub memory: MemoryConfig,
    /// File tools and who sees them.
    pub tools: ToolsConfig,
    /// Browsers of other origins.
    pub cors: CorsConfig,
    /// Requests per time.
    pub rate_limit: RateLimitConfig,
    /// Security headers.
    pub security: SecurityConfig,
    /// Reverse proxies in front.
    pub proxy: ProxyConfig,
    /// The pages for people.
    pub dashboard: DashboardConfig,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            timezone: "UTC".into(),
            context: JsonMap::new(),
            server: ServerConfig::default(),
            sessions: SessionsConfig::default(),
            model: ModelConfig::default(),
            guardrails: GuardrailsConfig::default(),
            approvals: ApprovalsConfig::default(),
            auth: AuthConfig::default(),
            notifications: NotificationsConfig::default(),
            persistence: PersistenceConfig::default(),
            telemetry: TelemetryConfig::default(),
            queue: QueueConfig::default(),
            scheduler: SchedulerConfig::default(),
            context_retrieval: ContextRetrievalConfig::default(),
            mcp: McpConfig::default(),
            memory: MemoryConfig::default(),
            tools: ToolsConfig::default(),
            cors: CorsConfig::default(),
            rate_limit: RateLimitConfig::default(),
            security: SecurityConfig::default(),
            proxy: ProxyConfig::default(),
            dashboard: DashboardConfig::default(),
        }
    }
}

/// An owned list of texts, for defaults.
fn texts<const N: usize>(items: [&str; N]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}
