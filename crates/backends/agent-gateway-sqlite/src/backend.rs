//! The backend: what exists once a database is open.
use std::sync::Arc;

use agent_gateway_core::{
    Result,
    capability::{BackendInfo, Durability},
    ports::persistence::{
        AnalyticsStore, ApprovalStore, AuditStore, ConnectionStore, ConversationStore, DeliveryStore,
        ExecutionStore, PersistenceBackend, ScheduleStore, UserStore,
    },
};
use agent_gateway_sql::{Columns, Database, Executions, Names, Statement, Stores, Writer};
use async_trait::async_trait;

use crate::{
    Place, SqliteConfig, connect, database::Connections, error::convert_early, row::Row, writer::SqliteDriver,
};

/// An open database.
///
/// Writes that wait at the same time share one transaction, and each is answered after its commit. A backend that is
/// dropped without [`close`](PersistenceBackend::close) still stores every write that it accepted.
#[derive(Debug)]
pub struct SqliteBackend {
    info: BackendInfo,
    connections: Arc<Connections>,
    executions: Executions<Connections>,
    stores: Stores<Connections>,
}

impl SqliteBackend {
    /// Opens a database, and makes its file where there is none. Its schema is made by
    /// [`prepare`](PersistenceBackend::prepare).
    ///
    /// A path that is a directory, a missing directory, a file that is no database or may not be opened or written, or a
    /// wrong prefix is `Misconfigured`.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        let names = Names::new(&config.table_prefix)?;
        let mut connection = connect::writer(&config).await?;
        let failed = |error| convert_early("sqlite.open", error).with("path", &config.place);
        // Reading the schema finds out whether the file is a database at all.
        let about = sqlx::query("SELECT sqlite_version() AS version, count(*) AS tables FROM sqlite_schema");
        let about = Row(about.fetch_one(&mut connection).await.map_err(failed)?);
        let durability = match config.place {
            Place::Memory => Durability::Process,
            Place::File(_) => Durability::Durable,
        };
        let info = BackendInfo::new("sqlite", config.place.to_string(), durability)
            .version(about.text("version")?.unwrap_or_default());
        let writer = Writer::start([SqliteDriver::new(connection, names.clone())], &names);
        let connections = Arc::new(Connections { names, readers: connect::readers(&config), writer });
        Ok(Self {
            info,
            executions: Executions::new(connections.clone()),
            stores: Stores::new(connections.clone()),
            connections,
        })
    }
}

#[async_trait]
impl PersistenceBackend for SqliteBackend {
    fn info(&self) -> BackendInfo {
        self.info.clone()
    }

    async fn prepare(&self) -> Result<()> {
        self.connections.writer.prepare().await
    }

    async fn ping(&self) -> Result<()> {
        let statement =
            Statement::new(&self.connections.names, "SELECT 1 FROM sqlite_schema LIMIT 1", Vec::new());
        self.connections.read(statement).await.map(drop)
    }

    async fn close(&self) -> Result<()> {
        if let Some(readers) = &self.connections.readers {
            readers.close().await;
        }
        self.connections.writer.close().await;
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
