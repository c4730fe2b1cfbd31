use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    JsonMap, Result, Timestamp,
    id::{AgentId, ExecutionId, UserId},
    page::{Page, PageRequest},
    principal::Visibility,
};

/// A notification that is to be delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewDelivery {
    /// The execution that it tells of.
    pub execution_id: ExecutionId,
    /// The agent that ran.
    pub agent_id: AgentId,
    /// The owner of the execution.
    pub user_id: Option<UserId>,
    /// `execution.completed`, `execution.failed` or `execution.timeout`.
    pub event_type: String,
    /// The channel: `slack`, `webhook`.
    pub channel: String,
    /// The receiver, without a query or other secrets.
    pub target: String,
    /// What the channel needs to deliver it.
    pub payload: JsonMap,
}

/// A stored notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Delivery {
    /// Its number; later ones are higher.
    pub id: u64,
    /// What is delivered.
    pub what: NewDelivery,
    /// How far it has come.
    pub status: DeliveryStatus,
    /// Attempts so far.
    pub attempts: u32,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When accepted.
    pub created_at: Timestamp,
    /// When the next attempt is due; while an attempt is under way, when that attempt counts as lost.
    pub due_at: Timestamp,
    /// When delivered.
    pub delivered_at: Option<Timestamp>,
}

impl Delivery {
    /// A pending delivery, due at once.
    #[must_use]
    pub fn new(id: u64, what: NewDelivery, at: Timestamp) -> Self {
        Self {
            id,
            what,
            status: DeliveryStatus::Pending,
            attempts: 0,
            last_error: None,
            created_at: at,
            due_at: at,
            delivered_at: None,
        }
    }
}

/// How far a delivery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is to be tried (again).
    Pending,
    /// It arrived.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryStatus {
    /// The word of the API and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// Which deliveries to list. Every filter that is set must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// In this state.
    pub status: Option<DeliveryStatus>,
    /// Of this agent.
    pub agent_id: Option<AgentId>,
    /// By this channel.
    pub channel: Option<String>,
    /// Of this execution.
    pub execution_id: Option<ExecutionId>,
}

/// The notification outbox.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// Accepts deliveries, all or none, due at `at`; answers their numbers in order.
    async fn enqueue(&self, deliveries: &[NewDelivery], at: Timestamp) -> Result<Vec<u64>>;

    /// Takes at most `limit` pending deliveries that are due at `now`, oldest first, counts an attempt, and hides them from
    /// other claims until `until`.
    async fn claim(&self, now: Timestamp, until: Timestamp, limit: u32) -> Result<Vec<Delivery>>;

    /// Marks it delivered. Repeating is harmless; an unknown number is `NotFound`.
    async fn delivered(&self, id: u64, at: Timestamp) -> Result<()>;

    /// Records why an attempt failed: tried again at `again`, or given up when that is `None`.
    async fn failed(&self, id: u64, why: &str, again: Option<Timestamp>) -> Result<()>;

    /// Deliveries, newest first.
    async fn list(
        &self,
        query: &DeliveryQuery,
        who: &Visibility,
        page: PageRequest,
    ) -> Result<Page<Delivery>>;

    /// How many deliveries fit the query.
    async fn count(&self, query: &DeliveryQuery, who: &Visibility) -> Result<u64>;
}
