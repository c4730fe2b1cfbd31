//! Everything that the gateway remembers, in small stores grouped by what changes together.
use std::fmt;

use async_trait::async_trait;

use crate::{Result, capability::BackendInfo};

mod analytics;
mod approval;
mod audit;
mod connection;
mod conversation;
mod delivery;
mod execution;
mod schedule;
mod user;

pub use analytics::{AnalyticsStore, CostGroup, CostRow, CostWindow};
pub use approval::ApprovalStore;
pub use audit::{AuditRecord, AuditStore};
pub use connection::{Connection, ConnectionStore, ConnectionTransport};
pub use conversation::{Conversation, ConversationMessage, ConversationQuery, ConversationStore};
pub use delivery::{Delivery, DeliveryQuery, DeliveryStatus, DeliveryStore, NewDelivery};
pub use execution::ExecutionStore;
pub use schedule::{ScheduleOwner, ScheduleRecord, ScheduleStore};
pub use user::{AgentSetup, SetupCompletion, UserProfile, UserStore};

/// A technology that keeps what the gateway must not forget.
///
/// Rules that hold for every store:
/// - A read that fails is an error (`Unavailable`), never "not there".
/// - A write has happened, whole, when its method answers `Ok`; otherwise nothing of it has.
/// - A write is safe to repeat with the same values where its method says so.
/// - Instants keep microseconds; texts come back byte for byte; JSON objects keep the order of their keys.
/// - Reads that take a [`Visibility`](crate::principal::Visibility) leave out rows of other owners inside the query.
///
/// Every record is a serde type, so that a backend may keep it as one document. A field that a later version adds has a
/// default there, and what an earlier version wrote stays readable.
#[async_trait]
pub trait PersistenceBackend: fmt::Debug + Send + Sync + 'static {
    /// Name, version and place; never a credential. Does not block.
    fn info(&self) -> BackendInfo;

    /// Creates or migrates what it needs. Safe to repeat, and safe when several processes do it at once.
    /// A schema newer than this build is `Misconfigured`.
    async fn prepare(&self) -> Result<()>;

    /// Answers `Ok` when a read would work now, `Unavailable` otherwise.
    async fn ping(&self) -> Result<()>;

    /// Ends what is open after every accepted write is stored. Later calls are `Unavailable`. Safe to repeat.
    async fn close(&self) -> Result<()>;

    /// Executions and their logs.
    fn executions(&self) -> &dyn ExecutionStore;
    /// Tool calls that wait for a person.
    fn approvals(&self) -> &dyn ApprovalStore;
    /// Conversations and their messages.
    fn conversations(&self) -> &dyn ConversationStore;
    /// Schedules of the workspace, of administrators and of users.
    fn schedules(&self) -> &dyn ScheduleStore;
    /// Users and their settings for agents.
    fn users(&self) -> &dyn UserStore;
    /// The notification outbox.
    fn deliveries(&self) -> &dyn DeliveryStore;
    /// MCP servers and their sealed secrets.
    fn connections(&self) -> &dyn ConnectionStore;
    /// Who changed what.
    fn audit(&self) -> &dyn AuditStore;
    /// Sums over many executions; absent where the runtime must compute them by paging.
    fn analytics(&self) -> Option<&dyn AnalyticsStore>;
}
