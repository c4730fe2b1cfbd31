//! Telling people and systems how a run ended.
use std::fmt;

use async_trait::async_trait;

use crate::{
    JsonMap, Result, Timestamp,
    agent::NotificationTarget,
    execution::ExecutionStatus,
    id::{AgentId, ExecutionId},
};

/// What happened, for a channel to tell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// The same for every attempt, so that receivers can drop repeats.
    pub id: String,
    /// The execution.
    pub execution_id: ExecutionId,
    /// The agent.
    pub agent_id: AgentId,
    /// How it ended.
    pub status: ExecutionStatus,
    /// The whole payload, in the fields that templates know.
    pub payload: JsonMap,
    /// When it happened.
    pub at: Timestamp,
}

impl Notice {
    /// A notice without payload.
    pub fn new(
        id: impl Into<String>,
        execution_id: ExecutionId,
        agent_id: AgentId,
        status: ExecutionStatus,
        at: Timestamp,
    ) -> Self {
        Self { id: id.into(), execution_id, agent_id, status, payload: JsonMap::new(), at }
    }
}

/// What a delivered notice left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The receiver's id of it, where it gives one.
    pub reference: Option<String>,
}

/// One channel.
#[async_trait]
pub trait NotificationBackend: fmt::Debug + Send + Sync + 'static {
    /// The word by which targets choose it. Does not block.
    fn channel(&self) -> &str;

    /// Says at load time whether a target can be served: `Invalid` with what is wrong. Does not block.
    fn check(&self, target: &NotificationTarget) -> Result<()>;

    /// Makes one attempt. The outbox repeats it when the error says `Retry::Later`.
    ///
    /// - `Ok` means that the receiver took it.
    /// - A receiver that refuses for good is `Invalid` or `Forbidden`; one that is away is `Unavailable`.
    async fn deliver(&self, notice: &Notice, target: &NotificationTarget) -> Result<Receipt>;
}
