#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Making a gateway.
mod assemble;
mod backends;
mod builder;
mod catalog;
mod models;
mod personal;
mod report;

// Having one.
mod chat;
mod gateway;
pub mod prelude;
#[cfg(feature = "rest")]
mod serve;

// Learning more.
pub mod guide;

pub use assemble::{AuthSummary, ModelSource, Plan};
pub use builder::{AuthDecided, AuthUndecided, GatewayBuilder, Role};
pub use catalog::Catalog;
pub use chat::{Turn, TurnStream};
pub use gateway::{Execution, Gateway};
pub use report::BuildError;
#[cfg(feature = "rest")]
#[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
pub use serve::shutdown_signal;

// Tools that are functions.
pub use agent_gateway_core::code_tool;
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use agent_gateway_macros::tool;
/// What derives the schema of a type: `#[derive(JsonSchema)] #[schemars(crate = "agent_gateway::schemars")]`.
pub use schemars;

// The crates behind the facade, by the word of their feature.
pub use agent_gateway_core as core;
#[cfg(feature = "genai")]
#[cfg_attr(docsrs, doc(cfg(feature = "genai")))]
pub use agent_gateway_genai as genai;
pub use agent_gateway_http as http;
pub use agent_gateway_llm as llm;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use agent_gateway_postgres as postgres;
#[cfg(feature = "rabbitmq")]
#[cfg_attr(docsrs, doc(cfg(feature = "rabbitmq")))]
pub use agent_gateway_rabbitmq as rabbitmq;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use agent_gateway_redis as redis;
#[cfg(feature = "rest")]
#[cfg_attr(docsrs, doc(cfg(feature = "rest")))]
pub use agent_gateway_rest as rest;
pub use agent_gateway_runtime as runtime;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use agent_gateway_sqlite as sqlite;
pub use agent_gateway_tools as tools;
pub use agent_gateway_workspace as workspace;
pub use schemars;
