//! A tool that is a function of the application.
use std::{fmt, future::Future, sync::Arc};

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::{
    JsonMap, Result,
    id::ToolName,
    ports::tool::Tool,
    tool::{ToolContext, ToolOutput, ToolSource, ToolSpec},
};

type Call = dyn Fn(JsonMap, ToolContext) -> BoxFuture<'static, Result<ToolOutput>> + Send + Sync;

/// A tool that calls a function in this process.
pub struct FunctionTool {
    spec: ToolSpec,
    call: Arc<Call>,
}

impl FunctionTool {
    /// A tool named `name`. `parameters` is the JSON Schema of its arguments. A name that providers do not accept is `Invalid`.
    pub fn new<F, R>(name: &str, description: &str, parameters: Value, call: F) -> Result<Self>
    where
        F: Fn(JsonMap, ToolContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<ToolOutput>> + Send + 'static,
    {
        let spec = ToolSpec::new(ToolName::new(name)?, description, parameters, ToolSource::Code);
        Ok(Self { spec, call: Arc::new(move |arguments, context| Box::pin(call(arguments, context))) })
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

    async fn call(&self, arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput> {
        (self.call)(arguments, context.clone()).await
    }
}
