//! `model` and `guardrails`: which model answers, what it costs, what a run may use.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// The section `model`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// The model of agents that name none, as `provider/model` or a bare well-known name.
    pub default: String,
    /// The temperature of agents that set none.
    pub temperature: f64,
    /// The most tokens of one answer, for agents that set none.
    pub max_tokens: u32,
    /// The model to turn to when the first one fails.
    pub fallback: Option<String>,
    /// Providers by the name that stands before the `/` of a model.
    pub providers: BTreeMap<String, ProviderConfig>,
    /// Prices by model; they win over the embedded table.
    pub prices: BTreeMap<String, ModelPrice>,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            default: "gemini/gemini-2.5-flash".into(),
            temperature: 0.1,
            max_tokens: 50_000,
            fallback: None,
            providers: BTreeMap::new(),
            prices: BTreeMap::new(),
        }
    }
}

/// One entry of `model.providers`. What is absent comes from the variables that the provider documents.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderConfig {
    /// Where its API is.
    pub base_url: Option<String>,
    /// Its key.
    pub api_key: Option<Secret>,
    /// The wire that it speaks; absent: the provider's own, or OpenAI's for one that is not well known.
    pub api: Option<ProviderApi>,
    /// The version of its API, where the address needs one: Azure's.
    pub api_version: Option<String>,
}

/// The wire of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProviderApi {
    /// OpenAI's chat completions.
    Openai,
    /// The same, at the addresses and with the key header of Azure.
    Azure,
    /// Anthropic's Messages.
    Anthropic,
    /// Google's Gemini.
    Gemini,
    /// Google's Vertex AI.
    Vertex,
    /// Amazon Bedrock's Converse.
    Bedrock,
    /// Ollama's own chat.
    Ollama,
}

impl ProviderApi {
    /// The word for it in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Azure => "azure",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Vertex => "vertex",
            Self::Bedrock => "bedrock",
            Self::Ollama => "ollama",
        }
    }
}

/// One entry of `model.prices`, in US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelPrice {
    /// Of input tokens.
    pub input: f64,
    /// Of input tokens that the provider had cached; absent: as other input.
    #[serde(default)]
    pub cached_input: Option<f64>,
    /// Of output tokens.
    pub output: f64,
}

/// The section `guardrails`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GuardrailsConfig {
    /// Tool calls of one run; 0 allows none.
    pub max_tool_calls: u32,
    /// Model turns of one run.
    pub max_iterations: u32,
    /// Milliseconds of one run.
    pub timeout_ms: u64,
    /// How deep runs may delegate; 0 allows no delegation.
    pub max_delegation_depth: u32,
    /// Runs that one tree may delegate to.
    pub max_delegations: u32,
    /// Tokens read and written by one run and those that it delegates to; absent: no limit.
    pub max_tokens: Option<u64>,
    /// Cost in USD of one run and those that it delegates to; absent: no limit.
    pub max_cost_usd: Option<f64>,
}

/// The section `approvals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalsConfig {
    /// Seconds that a call waits for a person. Then it is not made, and the model is told so.
    pub expires_after_s: u64,
}

impl Default for ApprovalsConfig {
    fn default() -> Self {
        Self { expires_after_s: 24 * 60 * 60 }
    }
}

impl Default for GuardrailsConfig {
    fn default() -> Self {
        Self {
            max_tool_calls: 20,
            max_iterations: 10,
            timeout_ms: 60_000,
            max_delegation_depth: 3,
            max_delegations: 64,
            max_tokens: None,
            max_cost_usd: None,
        }
    }
}
