//! A model and tools that do what a test says, and remember what they were asked.
mod model;
mod reply;
mod tool;

pub use model::ScriptedModel;
pub use reply::Reply;
pub use tool::{FnTool, RecordedCall};

#[cfg(test)]
mod tests;
