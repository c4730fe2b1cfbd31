//! What can be given to a gateway as a tool.
use crate::{Result, ports::tool::Tool};

/// A tool, or what becomes one: a [`Tool`], the result of making one, and a function with `#[tool]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tool",
    label = "no tool",
    note = "a tool is a function with `#[tool]`, a `FunctionTool`, or a value of a type that implements `Tool`"
)]
pub trait IntoTool {
    /// What it becomes.
    type Tool: Tool;

    /// The tool, or why there is none: a name that providers do not accept, a schema that is none.
    fn into_tool(self) -> Result<Self::Tool>;
}

impl<T: Tool> IntoTool for T {
    type Tool = T;

    fn into_tool(self) -> Result<T> {
        Ok(self)
    }
}

impl<T: Tool> IntoTool for Result<T> {
    type Tool = T;

    fn into_tool(self) -> Result<T> {
        self
    }
}
