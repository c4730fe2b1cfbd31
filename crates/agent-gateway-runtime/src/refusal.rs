//! Why a request was not run. Each has its own code in every protocol.
use std::fmt;

use agent_gateway_core::{
    Error,
    approval::ApprovalStatus,
    id::{AgentId, ApprovalId, ConversationId},
};
use agent_gateway_engine::FieldError;

use crate::seal::{SECRET_KEY, SECRET_KEY_OLD};

/// A request that was turned away before anything ran.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// The caller lacks the scope for this agent.
    ScopeMissing(String),
    /// There is no such agent.
    AgentNotFound(String),
    /// The agent is switched off.
    AgentDisabled(AgentId),
    /// The agent serves each user by their own settings, and the caller is nobody.
    IdentityRequired(AgentId),
    /// The agent serves each user by their own settings, and this user made none.
    SetupRequired(AgentId),
    /// The agent serves everyone alike: there is nothing to set up.
    NotPersonal(AgentId),
    /// The settings do not fit the agent's `setup_schema`, or break another rule.
    SettingsInvalid(Vec<FieldError>),
    /// The settings hold secrets, and the gateway has no key to seal them with.
    SecretKeyMissing(AgentId),
    /// The user's stored secrets cannot be opened with the gateway's key.
    SecretsUnreadable(AgentId),
    /// A field of the request breaks a rule.
    FieldInvalid(FieldError),
    /// The input does not fit the agent's schema.
    InputInvalid(Vec<FieldError>),
    /// There is no such session that the caller may see.
    SessionNotFound(String),
    /// The session is with another agent.
    SessionAgentMismatch(ConversationId),
    /// Another turn of the session, which another process runs, does not come to its end.
    SessionBusy(ConversationId),
    /// There is no such approval that the caller may see.
    ApprovalNotFound(String),
    /// It was decided on before, or its time is up.
    ApprovalSettled(ApprovalId, ApprovalStatus),
    /// The idempotency key came with another request before.
    IdempotencyKeyReused,
    /// The events of this run have not come that far.
    EventIdAhead,
    /// The event id belongs to another run.
    EventIdForeign,
    /// The run would be queued, and the caller wants its pieces as they come.
    StreamOfQueued,
    /// The gateway has as many executions under way as it may.
    Busy,
    /// The gateway is shutting down.
    ShuttingDown,
    /// A port failed.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScopeMissing(scope) => write!(f, "the scope '{scope}' is missing"),
            Self::AgentNotFound(id) => write!(f, "Agent '{id}' not found"),
            Self::AgentDisabled(id) => write!(f, "Agent '{id}' is disabled"),
            Self::IdentityRequired(id) => {
                write!(f, "Agent '{id}' is personal and needs an authenticated user")
            }
            Self::SetupRequired(id) => write!(f, "Agent '{id}' is personal and is not set up for this user"),
            Self::NotPersonal(id) => write!(f, "Agent '{id}' is not personal: it has no settings of users"),
            Self::SettingsInvalid(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(f, "Settings validation failed: {}", lines.join("; "))
            }
            Self::SecretKeyMissing(id) => write!(
                f,
                "secrets for agent '{id}' cannot be stored: the gateway's operator must set {SECRET_KEY}; nothing was saved"
            ),
            Self::SecretsUnreadable(id) => write!(
                f,
                "the stored secrets for agent '{id}' cannot be opened: the gateway's operator must set {SECRET_KEY} to the \
                 key that they were saved with, or list that one in {SECRET_KEY_OLD}; otherwise enter the secrets again"
            ),
            Self::FieldInvalid(error) => write!(f, "{}", error.msg),
            Self::InputInvalid(errors) => {
                let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
                write!(f, "Input validation failed: {}", lines.join("; "))
            }
            Self::SessionNotFound(id) => write!(f, "Session '{id}' not found"),
            Self::SessionAgentMismatch(id) => write!(f, "Session '{id}' belongs to another agent"),
            Self::SessionBusy(id) => {
                write!(f, "another turn of session '{id}' is still under way; try again later")
            }
            Self::ApprovalNotFound(id) => write!(f, "Approval '{id}' not found"),
            Self::ApprovalSettled(id, status) => {
                write!(f, "Approval '{id}' cannot be decided on any more: it is {}", status.as_str())
            }
            Self::IdempotencyKeyReused => f.write_str(
                "this idempotency key came with another request within the last 24 hours; send a new key",
            ),
            Self::EventIdAhead => f.write_str(
                "the Last-Event-ID lies behind the last event of this execution; leave it out to read all",
            ),
            Self::EventIdForeign => f.write_str("the Last-Event-ID belongs to another execution"),
            Self::StreamOfQueued => f.write_str(
                "A queued run cannot be streamed; leave out 'stream', and read its events at \
                 /v1/executions/{id}/events",
            ),
            Self::Busy => {
                f.write_str("the gateway has as many executions under way as it may; try again later")
            }
            Self::ShuttingDown => f.write_str("the gateway is shutting down"),
            Self::Failed(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Refusal {}
