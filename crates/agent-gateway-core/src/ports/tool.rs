//! Tools: what an agent can do besides talking.
use std::{fmt, sync::Arc};

use async_trait::async_trait;

use crate::{
    JsonMap, Result,
    tool::{ToolContext, ToolDefinition, ToolOutput, ToolSpec},
};

/// Something that a model can call.
#[async_trait]
pub trait Tool: fmt::Debug + Send + Sync + 'static {
    /// What is known of it before it is called. Does not block, and is always the same.
    fn spec(&self) -> &ToolSpec;

    /// Makes a call. The arguments fit the spec's schema.
    ///
    /// - An error's message is shown to the model: it says what to do differently, and holds no secret.
    /// - Dropping the future stops the call and everything that it started.
    async fn call(&self, arguments: JsonMap, context: &ToolContext) -> Result<ToolOutput>;
}

/// Makes tools of definitions on disk.
pub trait ToolFactory: fmt::Debug + Send + Sync + 'static {
    /// A tool that runs as its definition says. `Unsupported` when no such handler can be run here.
    fn build(&self, definition: &ToolDefinition) -> Result<Arc<dyn Tool>>;
}
