//! The one loop of agent-gateway: every execution, whoever asked for it, runs in [`drive`].
//!
//! It knows no HTTP, no SQL, no YAML, and it spawns nothing: what it needs comes in as values and ports.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod agent;
mod call;
mod delegate;
mod drive;
mod guard;
mod history;
mod past;
mod prompt;
mod redact;
mod run;
mod schema;
mod tools;
mod turn;
mod workflow;

pub use agent::{AgentPlan, ModelPlan};
pub use delegate::{Child, ChildEnd, DELEGATE, Delegator, NoDelegation, delegation_spec};
pub use drive::{Ended, Suspension, drive};
pub use history::window;
pub use past::{CutOff, Past};
pub use prompt::PromptLayers;
pub use run::{Ports, Recorder, Run, Setting};
pub use schema::{FieldError, OutputSchema, Schema};
pub use tools::{BoundTool, ToolSet};
pub use workflow::{MadeWorkflow, Named};
