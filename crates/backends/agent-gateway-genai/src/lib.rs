//! Language models that speak a wire of their own for agent-gateway: Anthropic, Gemini, Vertex AI, Bedrock and Ollama.
//!
//! The `genai` library knows the wires; this crate is the fence around it. It says which wire, where, with which key, and how
//! long; it turns the library's events into the port's, and its errors into public sentences. Nothing is guessed from the
//! model's name and nothing is read from the environment.
//!
//! It is **not** where a name leads to a provider: that is the router of `agent-gateway-llm`. What the library cannot do is in
//! `docs/decisions/0016-genai-behind-a-fence.md`.
#![cfg_attr(docsrs, feature(doc_cfg))]

// What is asked, and how often.
mod config;
mod limits;
mod model;
mod request;
mod structured;

// What comes back.
mod answer;
mod assemble;
mod frames;
mod quiet;

// What goes wrong.
mod error;
mod message;
mod retry_after;

pub use config::{Api, GenAiConfig};
pub use limits::Limits;
pub use model::GenAi;
