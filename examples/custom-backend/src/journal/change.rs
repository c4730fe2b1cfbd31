//! What stands in a line of the file.
use agent_gateway_core::{Result, in_process::InProcessStore, ports::persistence::PersistenceBackend};
use serde::{Deserialize, Serialize};

use super::{approvals, audit, connections, conversations, deliveries, executions, schedules, users};

/// The first line: what is needed to read the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the format.
    pub(super) journal: u32,
    /// The capacity of the memory. It decides what is forgotten, so it is the same for everyone who replays the file.
    pub(super) capacity: usize,
}

/// Every other line: a change that was accepted. Replayed in their order, the changes make the same memory again.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    Executions(executions::Change),
    Approvals(approvals::Change),
    Conversations(conversations::Change),
    Schedules(schedules::Change),
    Users(users::Change),
    Deliveries(deliveries::Change),
    Connections(connections::Change),
    Audit(audit::Change),
}

impl Change {
    pub(super) async fn apply(&self, memory: &InProcessStore) -> Result<()> {
        match self {
            Self::Executions(change) => change.apply(memory.executions()).await,
            Self::Approvals(change) => change.apply(memory.approvals()).await,
            Self::Conversations(change) => change.apply(memory.conversations()).await,
            Self::Schedules(change) => change.apply(memory.schedules()).await,
            Self::Users(change) => change.apply(memory.users()).await,
            Self::Deliveries(change) => change.apply(memory.deliveries()).await,
            Self::Connections(change) => change.apply(memory.connections()).await,
            Self::Audit(change) => change.apply(memory.audit()).await,
        }
    }
}

/// Lets each port speak of its own changes only.
macro_rules! from {
    ($($module:ident => $variant:ident),* $(,)?) => {
        $(impl From<$module::Change> for Change {
            fn from(change: $module::Change) -> Self {
                Self::$variant(change)
            }
        })*
    };
}
from! {
    executions => Executions, approvals => Approvals, conversations => Conversations, schedules => Schedules, users => Users,
    deliveries => Deliveries, connections => Connections, audit => Audit,
}
