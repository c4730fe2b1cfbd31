//! The names that an application imports.
pub use agent_gateway_core::{
    Error, ErrorKind, JsonMap, Result,
    code_tool::{FunctionTool, IntoTool, Json, Parameter},
    execution::{ExecutionEvent, ExecutionStatus, Outcome, StopReason, Usage},
    id::{AgentId, ConversationId, ToolName, UserId},
    in_process::ApiKey,
    ports::{
        auth::{AuthProvider, AuthScheme, Authenticated, Credential, Rejection},
        model::LanguageModel,
        persistence::PersistenceBackend,
        queue::ExecutionQueue,
        tool::Tool,
    },
    principal::{AuthMethod, Principal, Scopes},
    tool::{ToolContext, ToolOutput, ToolSource, ToolSpec},
};
#[cfg(feature = "macros")]
pub use agent_gateway_macros::tool;
/// For implementing the traits of this prelude.
pub use async_trait::async_trait;

pub use crate::{BuildError, Gateway, GatewayBuilder};
