//! What `#[tool]` expands to. Nothing here is for writing by hand, and all of it may change.
use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use super::{
    FunctionTool, IntoTool,
    arguments::{read, take},
    blocking::off_thread,
    function::Calling,
};
use super::{FunctionToolBuilder, IntoToolOutput, Parameter, result::failed};
pub use crate::{
    JsonMap, Result,
    tool::{ToolContext, ToolOutput},
};

/// What the argument of a call can be made into.
///
/// `By` has two impls, of which the second never holds: with a single one the compiler would speak of its bounds and not of this
/// trait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a tool",
    label = "the model cannot be told what this is",
    note = "derive `serde::Deserialize` and `schemars::JsonSchema` for `{Self}`"
)]
pub trait ToolParameter<By>: Sized {
    /// One parameter of this type.
    fn parameter(name: &str) -> Parameter<Self>;

    /// A tool whose parameters are all in this type.
    fn arguments(tool: FunctionToolBuilder<()>) -> FunctionToolBuilder<Self>;
}

/// By its traits.
#[derive(Debug)]
pub enum Traits {}
/// By nothing.
#[derive(Debug)]
pub enum Nothing {}
/// What no type is.
pub trait Never<T> {
    /// What no type can be asked.
    fn never() -> T;
}

impl<T: JsonSchema + DeserializeOwned> ToolParameter<Traits> for T {
    fn parameter(name: &str) -> Parameter<Self> {
        Parameter::new(name)
    }

    fn arguments(tool: FunctionToolBuilder<()>) -> FunctionToolBuilder<Self> {
        tool.arguments()
    }
}

impl<T: Never<Parameter<T>> + Never<FunctionToolBuilder<T>>> ToolParameter<Nothing> for T {
    fn parameter(_: &str) -> Parameter<Self> {
        T::never()
    }

    fn arguments(_: FunctionToolBuilder<()>) -> FunctionToolBuilder<Self> {
        T::never()
    }
}

/// One parameter.
pub fn parameter<T: ToolParameter<By>, By>(name: &str) -> Parameter<T> {
    T::parameter(name)
}

/// The tool with one parameter more.
pub fn and<P, T>(tool: FunctionToolBuilder<P>, parameter: Parameter<T>) -> FunctionToolBuilder<(P, T)>
where
    P: Send + 'static,
    T: 'static,
{
    tool.and(parameter)
}

/// The tool with all parameters in one struct.
pub fn arguments<T: ToolParameter<By>, By>(tool: FunctionToolBuilder<()>) -> FunctionToolBuilder<T> {
    T::arguments(tool)
}

/// The tool that calls `call`.
pub fn finish<P, F>(tool: FunctionToolBuilder<P>, call: F) -> Result<FunctionTool>
where
    P: Send + 'static,
    F: for<'a> Fn(P, &'a ToolContext) -> Calling<'a> + Send + Sync + 'static,
{
    tool.finish(call)
}

/// What a function can return, in itself or in a `Result`; `By` is as in [`ToolParameter`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    label = "the model cannot be told what this is",
    note = "derive `serde::Serialize` for `{Self}`, or return a `String`, a `ToolOutput`, or a `Result` of one"
)]
pub trait ToolReturn<By> {
    /// The output.
    fn output(self) -> Result<ToolOutput>;
}

impl<T: IntoToolOutput> ToolReturn<Traits> for T {
    fn output(self) -> Result<ToolOutput> {
        self.into_tool_output()
    }
}

impl<T: Never<Result<ToolOutput>>> ToolReturn<Nothing> for T {
    fn output(self) -> Result<ToolOutput> {
        T::never()
    }
}

/// An error that the model is told by its text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a tool",
    label = "the model cannot be told what this says",
    note = "implement `std::fmt::Display` for `{Self}`: its text tells the model what to do differently"
)]
pub trait ToolFailure<By> {
    /// The error.
    fn failure(self) -> crate::Error;
}

impl<E: fmt::Display + 'static> ToolFailure<Traits> for E {
    fn failure(self) -> crate::Error {
        failed(self)
    }
}

impl<E: Never<crate::Error>> ToolFailure<Nothing> for E {
    fn failure(self) -> crate::Error {
        E::never()
    }
}

/// What a function returned. A `Result` is read by its own method; every other type by [`Plain`], which the compiler tries second.
#[derive(Debug)]
pub struct Returned<T>(pub T);

impl<T, E> Returned<Result<T, E>> {
    /// The output, or the function's own error.
    pub fn into_tool_result<Value, Failure>(self) -> Result<ToolOutput>
    where
        T: ToolReturn<Value>,
        E: ToolFailure<Failure>,
    {
        match self.0 {
            Ok(value) => value.output(),
            Err(error) => Err(error.failure()),
        }
    }
}

/// Whatever is no `Result`.
pub trait Plain {
    /// What the function returned.
    type Value;

    /// The output.
    fn into_tool_result<By>(self) -> Result<ToolOutput>
    where
        Self::Value: ToolReturn<By>;
}

impl<T> Plain for Returned<T> {
    type Value = T;

    fn into_tool_result<By>(self) -> Result<ToolOutput>
    where
        T: ToolReturn<By>,
    {
        self.0.output()
    }
}
