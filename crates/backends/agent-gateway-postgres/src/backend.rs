//! The persistence: every store over one database.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Result,
    capability::BackendInfo,
    ports::persistence::{
        AnalyticsStore, ApprovalStore, AuditStore, ConnectionStore, ConversationStore, DeliveryStore,
        ExecutionStore, PersistenceBackend, ScheduleStore, UserStore,
    },
};
use agent_gateway_sql::{Executions, Statement, Stores, Writer};
use async_trait::async_trait;

use crate::{Postgres, PostgresConfig, database::Connections, writer::PostgresDriver};

/// Connections that write, beside those of the pool.
const WRITERS: usize = 2;
/// How long the server may take to say that it is there.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Persistence in PostgreSQL, from release 13 on.
///
/// Writes that wait at the same time share one transaction, and each is answered after its commit. Two connections beside
/// the pool write, opened with the first write; reads take their connections from the pool. A backend that is dropped
/// without [`close`](PersistenceBackend::close) still stores every write that it accepted.
///
/// When a connection is lost while it writes, the writes happen over a new one. When it is lost during a commit, the server
/// is asked what became of it; only where it cannot say is the write answered `Unavailable` with nobody knowing whether it is
/// stored.
///
/// Texts may hold U+0000, which PostgreSQL itself does not store: other programs see it as U+FDD0 and `0`.
#[derive(Debug)]
pub struct PostgresBackend {
    connections: Arc<Connections>,
    executions: Executions<Connections>,
    stores: Stores<Connections>,
}

impl PostgresBackend {
    /// The persistence in an open database. Its schema is made by [`prepare`](PersistenceBackend::prepare).
    ///
    /// It starts tasks, so it is called inside a tokio runtime.
    #[must_use]
    pub fn new(postgres: &Postgres) -> Self {
        let member = Arc::new(postgres.join());
        let drivers: Vec<_> = (0..WRITERS).map(|_| PostgresDriver::new(member.clone())).collect();
        let writer = Writer::start(drivers, member.names());
        let connections = Arc::new(Connections { member, writer });
        Self {
            executions: Executions::new(connections.clone()),
            stores: Stores::new(connections.clone()),
            connections,
        }
    }

    /// Opens a database that nothing else shares. See [`Postgres::open`] for its errors.
    pub async fn open(config: PostgresConfig) -> Result<Self> {
        Ok(Self::new(&Postgres::open(config).await?))
    }
}

#[async_trait]
impl PersistenceBackend for PostgresBackend {
    fn info(&self) -> BackendInfo {
        self.connections.member.info()
    }

    async fn prepare(&self) -> Result<()> {
        self.connections.member.prepare().await
    }

    async fn ping(&self) -> Result<()> {
        let statement = Statement::new(self.connections.member.names(), "SELECT 1", Vec::new());
        self.connections.read_within(PING_TIMEOUT, statement).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        self.connections.writer.close().await;
        self.connections.member.close().await;
        Ok(())
    }

    fn executions(&self) -> &dyn ExecutionStore {
        &self.executions
    }

    fn approvals(&self) -> &dyn ApprovalStore {
        &self.stores
    }

    fn conversations(&self) -> &dyn ConversationStore {
        &self.stores
    }

    fn schedules(&self) -> &dyn ScheduleStore {
        &self.stores
    }

    fn users(&self) -> &dyn UserStore {
        &self.stores
    }

    fn deliveries(&self) -> &dyn DeliveryStore {
        &self.stores
    }

    fn connections(&self) -> &dyn ConnectionStore {
        &self.stores
    }

    fn audit(&self) -> &dyn AuditStore {
        &self.stores
    }

    fn analytics(&self) -> Option<&dyn AnalyticsStore> {
        Some(&self.stores)
    }
}
