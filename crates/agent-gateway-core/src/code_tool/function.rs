//! The tool itself: a spec and a function.
use std::{fmt, future::Future};

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::{
    JsonMap, Result,
    code_tool::FunctionToolBuilder,
    ports::tool::Tool,
    tool::{ToolContext, ToolOutput, ToolSpec},
};

/// A call under way.
pub type Calling<'a> = BoxFuture<'a, Result<ToolOutput>>;
/// Makes a call.
pub(super) type Call = dyn for<'a> Fn(JsonMap, &'a ToolContext) -> Calling<'a> + Send + Sync;

/// A tool that calls a function in this process.
pub struct FunctionTool {
    spec: ToolSpec,
    /// Values for arguments that the model leaves out.
    defaults: JsonMap,
    call: Box<Call>,
}

impl FunctionTool {
    /// A tool named `name` that takes its arguments as JSON. `parameters` is their JSON Schema. A name that providers do not
    /// accept is `Invalid`.
    pub fn new<F, R>(name: &str, description: &str, parameters: Value, call: F) -> Result<Self>
    where
        F: Fn(JsonMap, ToolContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<ToolOutput>> + Send + 'static,
    {
        Self::builder(name, description).schema(parameters).handler(call)
    }

    /// A tool that is made step by step: its parameters, who may use it, and last its handler.
    pub fn builder(name: impl Into<String>, description: impl Into<String>) -> FunctionToolBuilder<()> {
        FunctionToolBuilder::new(name, description)
    }

    pub(super) fn made(spec: ToolSpec, defaults: JsonMap, call: Box<Call>) -> Self {
        Self { spec, defaults, call }
    }

    /// With other facts about it: who may use it, whether it may be retried.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ToolSpec)) -> Self {
        change(&mut self.spec);
        self
    }
}

impl fmt::Debug for FunctionTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FunctionTool").field(&self.spec.name).finish()
    }
}

#[async_trait]
impl Tool for FunctionTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn call(&self, mut arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        for (name, value) in &self.defaults {
            if !arguments.contains_key(name) {
                arguments.insert(name.clone(), value.clone());
            }
        }
        (self.call)(arguments, context).await
    }
}
