//! Reads a workspace folder of markdown agents, with diagnostics that name file, line and key.
//!
//! It is **not** the place where definitions take effect: it opens no connection, starts no process and checks no tool
//! names, because tools of code are not known here.
//!
//! - [`Env`]: the process environment over the two `.env` files.
//! - [`read_config`]: environment over `gateway.yaml` over defaults, every problem in one report.
//! - [`Workspace`]: agents, skills and tools as a
//!   [`DefinitionSource`](agent_gateway_core::ports::definition::DefinitionSource).
//!
//! ```
//! use std::{path::Path, sync::Arc};
//!
//! use agent_gateway_core::{ports::definition::DefinitionSource, vars::ProcessVars};
//! use agent_gateway_workspace::{Env, Workspace, read_config};
//!
//! # async fn start() -> agent_gateway_core::Result<()> {
//! let path = Path::new("workspace");
//! let (env, diagnostics) = Env::load(path, Path::new("."), &ProcessVars);
//! let reading = read_config(path, &env);
//! let workspace = Workspace::new(path, Arc::new(env)).with_tools(reading.config.tools);
//! let definitions = workspace.read().await?;
//! # Ok(())
//! # }
//! ```

// What callers use, in the order of a start.
mod config;
mod definitions;
mod env;
mod workspace;

// What these are made of.
mod files;
mod source;
mod substitute;
mod support;

pub use config::{ConfigReading, Origin, read_config};
pub use env::Env;
pub use workspace::Workspace;
