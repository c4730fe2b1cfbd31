//! Tools that are an HTTP call.
pub mod guard;

mod answer;
mod request;
mod template;
mod tool;

pub(crate) use self::tool::{Clients, HttpTool};
