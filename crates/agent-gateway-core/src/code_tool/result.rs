//! What a function may return, and what the model gets of it.
use std::{any::Any, fmt};

use serde::Serialize;
use serde_json::Value;

use crate::{Error, Result, tool::ToolOutput};

/// A value that the model can be told: a text as it is, anything else as JSON.
pub trait IntoToolOutput {
    /// What the model is told. `Invalid` when it cannot be written as JSON.
    fn into_tool_output(self) -> Result<ToolOutput>;
}

impl IntoToolOutput for ToolOutput {
    fn into_tool_output(self) -> Result<ToolOutput> {
        Ok(self)
    }
}

impl<T: Serialize> IntoToolOutput for T {
    fn into_tool_output(self) -> Result<ToolOutput> {
        match serde_json::to_value(self) {
            Ok(Value::String(text)) => Ok(ToolOutput::Text(text)),
            Ok(value) => Ok(ToolOutput::Json(value)),
            Err(error) => Err(Error::invalid(format!("the result cannot be written as JSON: {error}"))),
        }
    }
}

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no result of a tool",
    label = "no result of a tool",
    note = "a handler returns a text, a `ToolOutput`, `Json(value)` for a value that implements `serde::Serialize`, or a `Result` of one"
)]
pub trait IntoToolResult {
    /// The output, or an error whose message the model is told.
    fn into_tool_result(self) -> Result<ToolOutput>;
}

/// A value that is passed as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Json<T>(pub T);

impl<T: IntoToolOutput, E: fmt::Display + 'static> IntoToolResult for Result<T, E> {
    fn into_tool_result(self) -> Result<ToolOutput> {
        match self {
            Ok(value) => value.into_tool_output(),
            Err(error) => Err(failed(error)),
        }
    }
}

impl<T: Serialize> IntoToolResult for Json<T> {
    fn into_tool_result(self) -> Result<ToolOutput> {
        self.into_tool_output()
    }
}

/// Values that are no `Result`. One impl for every `Serialize` would take results for values.
macro_rules! values {
    ($($type:ty),*) => {$(
        impl IntoToolResult for $type {
            fn into_tool_result(self) -> Result<ToolOutput> {
                self.into_tool_output()
            }
        }
    )*};
}
values!(ToolOutput, String, &'static str, Value);

/// An error of the function's own, told by its text. Ours keeps its kind: what a fault says is not for the model.
pub(super) fn failed<E: fmt::Display + 'static>(error: E) -> Error {
    let mut error = Some(error);
    let ours = (&mut error as &mut dyn Any).downcast_mut::<Option<Error>>().and_then(Option::take);
    match (ours, error) {
        (Some(ours), _) => ours,
        (None, error) => Error::invalid(error.map(|error| error.to_string()).unwrap_or_default()),
    }
}
