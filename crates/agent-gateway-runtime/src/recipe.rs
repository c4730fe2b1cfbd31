//! How definitions become a snapshot: everything that stays the same when the workspace is read again.
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use agent_gateway_core::{
    config::{ApprovalsConfig, ContextRetrievalConfig, GuardrailsConfig, ModelConfig, ToolVisibility},
    execution::Limits,
    id::{AgentId, ModelName},
    ports::tool::{Tool, ToolFactory},
};
use agent_gateway_engine::HookStack;
use serde_json::Value;

/// Settings and code that every snapshot of this gateway shares.
#[derive(Clone)]
pub struct Recipe {
    /// The model of agents that name none.
    pub default_model: ModelName,
    /// The model that those agents fall back to.
    pub fallback_model: Option<ModelName>,
    /// The temperature of agents that set none.
    pub temperature: f64,
    /// The most tokens of one answer, of agents that set none.
    pub max_tokens: u32,
    /// Which tools agents see beside those of their skills.
    pub visibility: ToolVisibility,
    /// The most characters of one context file.
    pub max_context_file_chars: usize,
    /// What one run may use.
    pub limits: Limits,
    /// Makes tools of `TOOL.md` folders.
    pub tool_factory: Arc<dyn ToolFactory>,
    /// Tools of the application.
    pub code_tools: Vec<Arc<dyn Tool>>,
    /// Schemas of the application.
    pub schemas: SchemaOverrides,
    /// What the application steps in with.
    pub hooks: HookStack,
}

/// JSON Schemas that the application sets; they win over those of the files.
#[derive(Clone, Debug, Default)]
pub struct SchemaOverrides {
    /// Of inputs, by agent.
    pub input: BTreeMap<AgentId, Arc<Value>>,
    /// Of outputs, by agent.
    pub output: BTreeMap<AgentId, Arc<Value>>,
}

impl Recipe {
    /// A recipe with the defaults of the configuration, `default_model` and no code.
    #[must_use]
    pub fn new(default_model: ModelName, tool_factory: Arc<dyn ToolFactory>) -> Self {
        let (model, context) = (ModelConfig::default(), ContextRetrievalConfig::default());
        Self {
            default_model,
            fallback_model: None,
            temperature: model.temperature,
            max_tokens: model.max_tokens,
            visibility: ToolVisibility::Skills,
            max_context_file_chars: context.max_context_file_chars as usize,
            limits: limits(&GuardrailsConfig::default()),
            tool_factory,
            code_tools: Vec::new(),
            schemas: SchemaOverrides::default(),
            hooks: HookStack::default(),
        }
    }

    /// With the guardrails of a configuration.
    #[must_use]
    pub fn guardrails(mut self, guardrails: &GuardrailsConfig) -> Self {
        self.limits = Limits { approval_window: self.limits.approval_window, ..limits(guardrails) };
        self
    }

    /// With the time that tool calls wait for a person.
    #[must_use]
    pub fn approvals(mut self, approvals: &ApprovalsConfig) -> Self {
        self.limits.approval_window = Duration::from_secs(approvals.expires_after_s);
        self
    }
}

fn limits(guardrails: &GuardrailsConfig) -> Limits {
    Limits {
        max_iterations: guardrails.max_iterations,
        max_tool_calls: guardrails.max_tool_calls,
        max_tokens: guardrails.max_tokens,
        max_cost_usd: guardrails.max_cost_usd,
        timeout: Duration::from_millis(guardrails.timeout_ms),
        max_delegation_depth: guardrails.max_delegation_depth,
        max_delegations: guardrails.max_delegations,
        ..Limits::default()
    }
}

impl fmt::Debug for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipe").field("default_model", &self.default_model).finish_non_exhaustive()
    }
}
