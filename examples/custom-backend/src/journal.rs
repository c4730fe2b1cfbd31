//! Persistence in one file that only grows.
use std::path::{Path, PathBuf};

use agent_gateway_core::{
    Result,
    capability::{BackendInfo, Durability},
    ports::persistence::{
        AnalyticsStore, ApprovalStore, AuditStore, ConnectionStore, ConversationStore, DeliveryStore,
        ExecutionStore, PersistenceBackend, ScheduleStore, UserStore,
    },
};
use async_trait::async_trait;

// How a change comes to be in the file and in memory.
mod change;
mod file;
mod shared;

// One module for each port: its changes, how they are replayed, and its methods.
mod approvals;
mod audit;
mod connections;
mod conversations;
mod deliveries;
mod executions;
mod schedules;
mod users;

use self::shared::Shared;

/// Keeps every change as one line of JSON in a file, and everything that the lines add up to in memory.
///
/// - A write is applied in memory, which may refuse it, and then appended to the file. It answers when the disk has it.
/// - A read is answered from memory, after the lines were replayed that others have appended meanwhile.
/// - Several handles of one machine may share a file, also in several processes: an operation holds the file's lock.
/// - A process that dies in the middle of a line leaves a torn one: the next to open the file cuts it off. A damaged
///   line anywhere else is `Misconfigured`, and nothing is read past it.
///
/// Memory is core's own [`InProcessStore`](agent_gateway_core::in_process::InProcessStore), which forgets the oldest of what
/// is over its capacity. The file forgets nothing: it is not compacted.
#[derive(Debug)]
pub struct JournalStore {
    path: PathBuf,
    shared: Shared,
}

impl JournalStore {
    /// Opens the file, or makes it, and replays it. A file that cannot be used is `Misconfigured`.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        Ok(Self { shared: Shared::open(path.clone()).await?, path })
    }
}

#[async_trait]
impl PersistenceBackend for JournalStore {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("journal", self.path.display().to_string(), Durability::Durable)
    }

    async fn prepare(&self) -> Result<()> {
        // Opening has made the file; what else there is to prepare would be done here.
        self.ping().await
    }

    async fn ping(&self) -> Result<()> {
        self.shared.begin().await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.shared.close().await;
        Ok(())
    }

    fn executions(&self) -> &dyn ExecutionStore {
        &self.shared
    }

    fn approvals(&self) -> &dyn ApprovalStore {
        &self.shared
    }

    fn conversations(&self) -> &dyn ConversationStore {
        &self.shared
    }

    fn schedules(&self) -> &dyn ScheduleStore {
        &self.shared
    }

    fn users(&self) -> &dyn UserStore {
        &self.shared
    }

    fn deliveries(&self) -> &dyn DeliveryStore {
        &self.shared
    }

    fn connections(&self) -> &dyn ConnectionStore {
        &self.shared
    }

    fn audit(&self) -> &dyn AuditStore {
        &self.shared
    }

    fn analytics(&self) -> Option<&dyn AnalyticsStore> {
        Some(&self.shared)
    }
}
