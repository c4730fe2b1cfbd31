//! An agent made ready to run: what can be worked out once for all its runs is worked out here.
use std::sync::Arc;

use agent_gateway_core::{agent::AgentDefinition, id::ModelName};

use crate::{OutputSchema, PromptLayers, Schema, ToolSet};

/// One agent of a snapshot, ready to run.
#[derive(Debug)]
pub struct AgentPlan {
    /// The definition that it was made of.
    pub definition: Arc<AgentDefinition>,
    /// The prompt's fixed layers.
    pub prompt: PromptLayers,
    /// The models and their settings, every default applied.
    pub model: ModelPlan,
    /// The tools that it may use.
    pub tools: ToolSet,
    /// What its input must fit.
    pub input_schema: Option<Schema>,
    /// What its output must fit.
    pub output_schema: Option<Arc<OutputSchema>>,
}

/// Which model answers, and how.
#[derive(Clone, Debug)]
pub struct ModelPlan {
    /// The model to ask first.
    pub name: ModelName,
    /// The model to ask when the first one fails.
    pub fallback: Option<ModelName>,
    /// The temperature.
    pub temperature: Option<f64>,
    /// The most tokens of one answer.
    pub max_tokens: Option<u32>,
}
