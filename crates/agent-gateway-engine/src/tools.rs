//! The tools of an agent: bound to their schemas once, and offered in a fixed order.
use std::{collections::HashMap, fmt, sync::Arc};

use agent_gateway_core::{
    JsonMap, Result,
    id::{AgentId, ToolName},
    message::Arguments,
    ports::tool::Tool,
    tool::ToolSpec,
};
use serde_json::Value;

use crate::{FieldError, Schema};

/// A tool made ready to be called.
pub struct BoundTool {
    action: Action,
    spec: Arc<ToolSpec>,
    defaults: JsonMap,
    parameters: Schema,
}

/// What a call does.
pub(crate) enum Action {
    /// It calls a tool.
    Tool(Arc<dyn Tool>),
    /// It hands work to another agent.
    Delegate,
}

impl BoundTool {
    /// Binds a tool. Parameters that are no usable JSON Schema are `Invalid`.
    pub fn new(tool: Arc<dyn Tool>, defaults: JsonMap) -> Result<Self> {
        let spec = tool.spec().clone();
        Self::bind(Action::Tool(tool), spec, defaults)
    }

    fn bind(action: Action, spec: ToolSpec, defaults: JsonMap) -> Result<Self> {
        let spec = Arc::new(spec);
        let parameters = Schema::compile(&spec.parameters).map_err(|error| error.with("tool", &spec.name))?;
        Ok(Self { action, spec, defaults, parameters })
    }

    /// The tool by which an agent hands work to others; see [`delegation_spec`](crate::delegation_spec).
    pub fn delegation(spec: ToolSpec) -> Result<Self> {
        Self::bind(Action::Delegate, spec, JsonMap::new())
    }

    /// What is known of it before it is called.
    #[must_use]
    pub fn spec(&self) -> &Arc<ToolSpec> {
        &self.spec
    }

    pub(crate) fn action(&self) -> &Action {
        &self.action
    }

    /// How arguments miss the tool's schema once defaults are filled in. Paths start with `root`.
    #[must_use]
    pub fn check(&self, arguments: &JsonMap, root: &[&str]) -> Vec<FieldError> {
        self.parameters.check(&Value::Object(self.filled(arguments)), root)
    }

    fn filled(&self, given: &JsonMap) -> JsonMap {
        let mut arguments = given.clone();
        for (name, value) in &self.defaults {
            arguments.entry(name.clone()).or_insert_with(|| value.clone());
        }
        arguments
    }

    /// The arguments with defaults filled in, or what the model must mend.
    pub(crate) fn arguments(&self, given: &Arguments) -> Result<JsonMap, String> {
        let Arguments::Object(given) = given else {
            return Err("the arguments are not a JSON object; send one JSON object".to_owned());
        };
        let arguments = Value::Object(self.filled(given));
        let errors: Vec<String> =
            self.parameters.check(&arguments, &[]).iter().map(ToString::to_string).collect();
        match arguments {
            Value::Object(map) if errors.is_empty() => Ok(map),
            _ => Err(format!("the arguments do not fit the tool's parameters: {}", errors.join("; "))),
        }
    }
}

impl fmt::Debug for BoundTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.spec.name, f)
    }
}

/// The tools of one agent, in the order in which the model is told of them.
#[derive(Clone, Debug, Default)]
pub struct ToolSet {
    specs: Arc<[Arc<ToolSpec>]>,
    by_name: Arc<HashMap<ToolName, Arc<BoundTool>>>,
}

impl ToolSet {
    /// These tools, those left out that `agent` may not use. A repeated name keeps its first tool.
    pub fn new(agent: &AgentId, tools: impl IntoIterator<Item = Arc<BoundTool>>) -> Self {
        let (mut specs, mut by_name) = (Vec::new(), HashMap::new());
        for tool in tools {
            if tool.spec.access.allows(agent) && !by_name.contains_key(&tool.spec.name) {
                specs.push(tool.spec.clone());
                by_name.insert(tool.spec.name.clone(), tool);
            }
        }
        Self { specs: specs.into(), by_name: Arc::new(by_name) }
    }

    /// The tool of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<BoundTool>> {
        self.by_name.get(name)
    }

    /// What the model is told.
    #[must_use]
    pub fn specs(&self) -> &Arc<[Arc<ToolSpec>]> {
        &self.specs
    }
}
