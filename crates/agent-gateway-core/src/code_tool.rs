//! Tools that are functions of the application.
//!
//! A function with `#[tool]` is the short way; this is what it expands to, and the way without the macro:
//!
//! ```
//! use agent_gateway_core::code_tool::{FunctionTool, Parameter};
//!
//! let search = FunctionTool::builder("search-docs", "Searches the documentation")
//!     .parameter(Parameter::<String>::new("query").description("what to look for"))
//!     .parameter(Parameter::<u32>::new("limit").default(5))
//!     .allowed_agents(["support-bot"])
//!     .handler(|(query, limit), _context| async move { format!("{limit} pages about {query}") });
//! # search.unwrap();
//! ```
mod arguments;
mod blocking;
mod builder;
mod declaration;
mod function;
mod into_tool;
mod parameter;
mod result;
mod schema;

pub use arguments::Append;
pub use builder::FunctionToolBuilder;
pub use function::FunctionTool;
pub use into_tool::IntoTool;
pub use parameter::Parameter;
pub use result::{IntoToolOutput, IntoToolResult, Json};

#[doc(hidden)]
pub mod expanded;

#[cfg(test)]
mod tests;
