//! A tool made step by step, without the macro.
use std::{fmt, future::Future, sync::Arc};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Append, FunctionTool, IntoToolResult, Parameter,
    arguments::{Reader, read},
    blocking::off_thread,
    declaration::Declaration,
    function::Calling,
};
use crate::{JsonMap, Result, tool::ToolContext};

/// Makes a [`FunctionTool`]. `P` is what its handler takes: the parameters in their order as a tuple, one struct, or JSON.
///
/// What is wrong with it comes out with the handler, and is told by `build()` when the result is given to the gateway as it is.
#[must_use = "a builder makes a tool when it is given a handler"]
pub struct FunctionToolBuilder<P> {
    declaration: Declaration,
    reader: Reader<P>,
}

impl<P> fmt::Debug for FunctionToolBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.declaration, f)
    }
}

impl FunctionToolBuilder<()> {
    pub(super) fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self { declaration: Declaration::new(name, description), reader: Box::new(|_| Ok(())) }
    }

    /// Takes one struct; its fields are the parameters, and their doc comments the descriptions.
    pub fn arguments<T: JsonSchema + DeserializeOwned>(self) -> FunctionToolBuilder<T> {
        let declaration = self.declaration.arguments::<T>();
        FunctionToolBuilder { declaration, reader: Box::new(|arguments| read(std::mem::take(arguments))) }
    }

    /// Takes JSON that fits this JSON Schema, which the model is given as it is.
    pub fn schema(self, schema: Value) -> FunctionToolBuilder<JsonMap> {
        let declaration = self.declaration.schema(schema);
        FunctionToolBuilder { declaration, reader: Box::new(|arguments| Ok(std::mem::take(arguments))) }
    }
}

impl<P: Send + 'static> FunctionToolBuilder<P> {
    /// Takes one parameter more.
    pub fn parameter<T>(self, parameter: Parameter<T>) -> FunctionToolBuilder<P::Longer>
    where
        P: Append<T>,
        T: 'static,
    {
        let Parameter { property, take } = parameter;
        let (name, before) = (property.name.clone(), self.reader);
        FunctionToolBuilder {
            declaration: self.declaration.parameter(property),
            reader: Box::new(move |arguments| Ok(before(arguments)?.append(take(arguments, &name)?))),
        }
    }

    /// For these agents alone, by the names of their directories.
    pub fn allowed_agents(mut self, agents: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.declaration = self.declaration.allowed_agents(agents);
        self
    }

    /// A person must agree before each call.
    pub fn require_approval(mut self) -> Self {
        self.declaration = self.declaration.require_approval();
        self
    }

    /// A call that a crash cut off is not made again, and its execution fails. Without this it is made again, with the same
    /// idempotency key.
    pub fn never_retry(mut self) -> Self {
        self.declaration = self.declaration.never_retry();
        self
    }

    /// Calls an async function. It must not block: what does belongs into [`blocking_handler`](Self::blocking_handler).
    pub fn handler<F, R>(self, handler: F) -> Result<FunctionTool>
    where
        F: Fn(P, ToolContext) -> R + Send + Sync + 'static,
        R: Future<Output: IntoToolResult> + Send + 'static,
    {
        self.finish(move |arguments, context| {
            let running = handler(arguments, context.clone());
            Box::pin(async move { running.await.into_tool_result() })
        })
    }

    /// Calls a plain function on a thread of its own, where it may block. Once it runs it runs to its end: nothing stops a thread.
    pub fn blocking_handler<F, R>(self, handler: F) -> Result<FunctionTool>
    where
        F: Fn(P, ToolContext) -> R + Send + Sync + 'static,
        R: IntoToolResult,
    {
        let handler = Arc::new(handler);
        self.finish(move |arguments, context| {
            let (handler, context) = (handler.clone(), context.clone());
            Box::pin(off_thread(move || handler(arguments, context).into_tool_result()))
        })
    }

    /// Takes one parameter more, without a limit to their number.
    pub(super) fn and<T: 'static>(self, parameter: Parameter<T>) -> FunctionToolBuilder<(P, T)> {
        let Parameter { property, take } = parameter;
        let (name, before) = (property.name.clone(), self.reader);
        FunctionToolBuilder {
            declaration: self.declaration.parameter(property),
            reader: Box::new(move |arguments| Ok((before(arguments)?, take(arguments, &name)?))),
        }
    }

    /// The tool that calls `call` when the arguments could be read.
    pub(super) fn finish<F>(self, call: F) -> Result<FunctionTool>
    where
        F: for<'a> Fn(P, &'a ToolContext) -> Calling<'a> + Send + Sync + 'static,
    {
        let reader = self.reader;
        self.declaration.call(Box::new(move |mut arguments, context| match reader(&mut arguments) {
            Ok(arguments) => call(arguments, context),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }))
    }
}
