//! What a run may use.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The guardrails of one run, every default applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Model turns.
    pub max_iterations: u32,
    /// Tool calls, refused ones included.
    pub max_tool_calls: u32,
    /// Tokens read and written, of the runs that it delegates to as well; `None`: no limit.
    pub max_tokens: Option<u64>,
    /// Cost in USD, of the runs that it delegates to as well; `None`: no limit.
    pub max_cost_usd: Option<f64>,
    /// Time for everything: prompt, model, tools.
    pub timeout: Duration,
    /// How deep runs may delegate; 0 allows no delegation.
    pub max_delegation_depth: u32,
    /// Runs that one tree may delegate to.
    pub max_delegations: u32,
    /// Tool calls that run at the same time.
    pub parallel_tools: usize,
    /// Bytes of one tool result that the model sees.
    pub max_result_bytes: usize,
    /// How long a call waits for a person.
    pub approval_window: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_iterations: 10,
            max_tool_calls: 20,
            max_tokens: None,
            max_cost_usd: None,
            timeout: Duration::from_secs(60),
            max_delegation_depth: 3,
            max_delegations: 64,
            parallel_tools: 5,
            max_result_bytes: 32 * 1024,
            approval_window: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Limits that an agent or a caller sets; what is absent is inherited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Guardrails {
    /// Model turns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_iterations: Option<u32>,
    /// Tool calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tool_calls: Option<u32>,
    /// Tokens read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Cost in USD.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cost_usd: Option<f64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How deep runs may delegate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delegation_depth: Option<u32>,
}

impl Limits {
    /// With what an agent's author set, in the place of the gateway's limits.
    #[must_use]
    pub fn with(mut self, own: &Guardrails) -> Self {
        self.max_iterations = own.max_iterations.unwrap_or(self.max_iterations);
        self.max_tool_calls = own.max_tool_calls.unwrap_or(self.max_tool_calls);
        self.max_tokens = own.max_tokens.or(self.max_tokens);
        self.max_cost_usd = own.max_cost_usd.or(self.max_cost_usd);
        self.timeout = own.timeout_ms.map_or(self.timeout, Duration::from_millis);
        self.max_delegation_depth = own.max_delegation_depth.unwrap_or(self.max_delegation_depth);
        self
    }

    /// With what a caller set: a caller lowers limits, and raises none.
    #[must_use]
    pub fn lowered(mut self, asked: &Guardrails) -> Self {
        let least = |own: u32, asked: Option<u32>| asked.map_or(own, |asked| own.min(asked));
        self.max_iterations = least(self.max_iterations, asked.max_iterations);
        self.max_tool_calls = least(self.max_tool_calls, asked.max_tool_calls);
        self.max_tokens = self.max_tokens.into_iter().chain(asked.max_tokens).min();
        self.max_cost_usd = self.max_cost_usd.into_iter().chain(asked.max_cost_usd).reduce(f64::min);
        self.timeout =
            asked.timeout_ms.map_or(self.timeout, |asked| self.timeout.min(Duration::from_millis(asked)));
        self.max_delegation_depth = least(self.max_delegation_depth, asked.max_delegation_depth);
        self
    }
}
