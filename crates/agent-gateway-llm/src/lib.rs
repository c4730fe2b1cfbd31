//! Language models over HTTP for agent-gateway: the OpenAI-compatible client, routing by model name, prices, and the
//! `offline` stand-in that needs no network.
//!
//! It is **not** the loop that calls models, and it reads neither files nor the process environment.
//!
//! ```
//! # async fn example() -> agent_gateway_core::Result<()> {
//! use agent_gateway_core::{
//!     config::ModelConfig, id::ModelName, message::Message, ports::model::{ModelExt, ModelRequest}, vars::ProcessVars,
//! };
//! use agent_gateway_llm::Router;
//!
//! let (router, _) = Router::from_config(&ModelConfig::default(), &ProcessVars)?;
//! let request = ModelRequest::new(ModelName::new("offline")?, vec![Message::user("hello")]);
//! assert!(router.complete(request).await?.text.contains("hello"));
//! # Ok(())
//! # }
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]

// Which model answers.
pub mod router;

// The ways to an answer.
pub mod offline;
pub mod openai;

// What they share.
mod http;
mod limits;
mod models;

pub use http::HttpPool;
pub use limits::{Retries, Timeouts};
pub use models::Prices;
pub use offline::Offline;
pub use openai::{OpenAiClient, OpenAiConfig};
pub use router::{Cooldown, NativeProvider, Router, provider_variable};
