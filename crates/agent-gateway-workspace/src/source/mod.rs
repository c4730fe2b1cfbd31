//! From text to typed values, without losing where each value stands.
pub(crate) mod decode;
mod fault;
pub(crate) mod frontmatter;
pub(crate) mod node;
mod reader;
pub(crate) mod suggest;
pub(crate) mod yaml;
