//! The OpenAI-compatible wire: chat completions, whole or as an event stream.
//!
//! One client for every provider that speaks it. A request is made at most [`Retries::attempts`](crate::Retries) times, and
//! only until the first event has come. The body is read piece by piece under bounds of size and time.
mod answer;
mod assemble;
mod body;
mod chunk;
mod client;
mod endpoint;
mod error;
mod manners;
mod request;
mod retry_after;
mod sse;
mod strict;
#[cfg(test)]
mod tests;

pub use client::{OpenAiClient, OpenAiConfig};
pub(crate) use error::KeyPlace;
