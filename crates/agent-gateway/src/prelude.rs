//! The names that an application imports.
pub use agent_gateway_core::{
    Error, ErrorKind, JsonMap, Result,
    execution::{ExecutionStatus, Outcome, StopReason, Usage},
    in_process::{ApiKey, FunctionTool},
    ports::{
        auth::AuthProvider, model::LanguageModel, persistence::PersistenceBackend, queue::ExecutionQueue,
        tool::Tool,
    },
    tool::{ToolContext, ToolOutput},
};

pub use crate::{BuildError, Gateway, GatewayBuilder};
