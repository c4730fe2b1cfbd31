//! A `TOOL.md` without anything to run.
use agent_gateway_core::{
    Error, JsonMap, Result,
    ports::tool::Tool,
    tool::{ToolContext, ToolDefinition, ToolOutput, ToolSpec},
};
use async_trait::async_trait;

/// A tool whose every call fails, and says what is missing.
#[derive(Debug)]
pub(crate) struct MissingTool {
    id: String,
    spec: ToolSpec,
}

impl MissingTool {
    pub(crate) fn new(definition: &ToolDefinition) -> Self {
        Self { id: definition.id.clone(), spec: definition.spec.clone() }
    }
}

#[async_trait]
impl Tool for MissingTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, _: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        let (id, name) = (&self.id, &self.spec.name);
        let file = format!("tools/{id}/handler.py");
        tracing::warn!(
            tool = %name, execution = %context.execution_id, missing = %file,
            "a tool without a handler was called: add handler.py, an executable `handler`, or `http` to its TOOL.md"
        );
        let text = format!("the tool `{name}` cannot be run: it has no handler. Go on without it");
        Err(Error::misconfigured(text).with("missing", file))
    }
}
