//! The `#[tool]` attribute: a Rust function becomes a tool of an agent.
//!
//! It is **not** a runtime: it writes a declaration in the words of `agent_gateway_core::code_tool`, and that does the rest.
use proc_macro::TokenStream;

mod docs;
mod expand;
mod function;
mod name;
mod options;
mod parameter;

#[cfg(test)]
mod tests;

/// Makes a tool of an async or plain function.
///
/// The model is told of it by its name in kebab-case, its doc comment, and its parameters: the schema of each is that of its type,
/// its description is its doc comment. `Option<T>` and `#[default(value)]` make a parameter that may be left out. `&ToolContext` is
/// the context of the call, and the model does not see it. `&str` stands for `String`. One parameter with `#[arguments]` is a struct
/// whose fields are the parameters.
///
/// A type of a parameter implements `serde::Deserialize` and `schemars::JsonSchema`. A value that is returned implements
/// `serde::Serialize` (a `String` is passed as it is, anything else as JSON) or is a `ToolOutput`; of a `Result` the model is told
/// the error's text.
///
/// An async function must not block. A plain function runs on a thread where it may.
///
/// ```ignore
/// /// Searches the documentation.
/// #[tool(allowed_agents = ["support-bot"])]
/// async fn search_docs(
///     /// What to look for.
///     query: String,
///     /// The most pages to list.
///     #[default(5)]
///     limit: u32,
///     context: &ToolContext,
/// ) -> Result<Vec<Page>, SearchError> {
///     # Ok(Vec::new())
/// }
///
/// let gateway = Gateway::builder("./workspace").tool(search_docs);
/// ```
///
/// The name then stands for the tool; the function is called as `search_docs::run(..)`.
///
/// | option | |
/// |---|---|
/// | `name = "search"` | another name for the model: letters, digits, `_` and `-`, at most 64 |
/// | `description = "…"` | in place of the doc comment |
/// | `allowed_agents = ["a", "b"]` | for these agents alone |
/// | `require_approval` | a person must agree before each call |
/// | `retry = "never"` | a call that a crash cut off is not made again |
/// | `parameters = value` | a JSON Schema of the arguments, a `serde_json::Value`, which the model is given as it is |
/// | `crate = path` | where `agent_gateway` is found, if not at `::agent_gateway` |
#[proc_macro_attribute]
pub fn tool(options: TokenStream, item: TokenStream) -> TokenStream {
    match expand::tool(options.into(), item.into()) {
        Ok(tokens) => tokens.into(),
        Err(error) => error.into_compile_error().into(),
    }
}
