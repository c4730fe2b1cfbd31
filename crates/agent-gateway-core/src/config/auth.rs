//! `auth`: who may call.
use serde::{Deserialize, Serialize};

use super::texts;
use crate::secret::Secret;

/// The section `auth`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Whether callers must identify themselves.
    pub enabled: bool,
    /// How they do it.
    pub mode: AuthMode,
    /// The keys of the modes `api_key` and `composite`.
    pub api_keys: Vec<ApiKeyConfig>,
    /// The identity provider of the modes `oauth2` and `composite`.
    pub oauth2: Option<Oauth2Config>,
    /// Paths that answer everyone.
    pub public_paths: Vec<String>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            mode: AuthMode::ApiKey,
            api_keys: Vec::new(),
            oauth2: None,
            public_paths: texts(["/v1/health"]),
        }
    }
}

/// How callers identify themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// By a key of the configuration.
    ApiKey,
    /// By a token of an identity provider.
    Oauth2,
    /// By either.
    Composite,
    /// By a provider that the application registers.
    Custom,
    /// Not at all.
    None,
}

/// One entry of `auth.api_keys`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// Whose key it is; the caller is known as `apikey:<name>`.
    pub name: String,
    /// The key.
    pub key: Secret,
    /// What it may do; `*` is everything.
    #[serde(default = "every_scope")]
    pub scopes: Vec<String>,
}

fn every_scope() -> Vec<String> {
    texts(["*"])
}

/// The section `auth.oauth2`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth2Config {
    /// The issuer that tokens must name.
    pub issuer: String,
    /// The audience that tokens must name.
    pub audience: String,
    /// Where the issuer's keys are; absent: its well-known address.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// The signature algorithms that are accepted.
    #[serde(default = "signature_algorithms")]
    pub algorithms: Vec<String>,
    /// The claim that holds the scopes.
    #[serde(default = "scope_claim")]
    pub scope_claim: String,
    /// Seconds by which clocks may differ.
    #[serde(default = "clock_skew_seconds")]
    pub clock_skew_seconds: u64,
}

fn signature_algorithms() -> Vec<String> {
    texts(["RS256", "ES256"])
}

fn scope_claim() -> String {
    "scope".into()
}

fn clock_skew_seconds() -> u64 {
    30
}
