//! How the backends of this build are opened from the configuration.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis", feature = "rabbitmq"))]
use std::sync::Arc;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use agent_gateway_core::ports::persistence::PersistenceBackend;
#[cfg(any(feature = "postgres", feature = "redis", feature = "rabbitmq"))]
use agent_gateway_core::ports::queue::ExecutionQueue;
use agent_gateway_core::{Error, Result, config::GatewayConfig};

use super::Catalog;

/// With every backend that a feature switches on.
pub(super) fn all(catalog: Catalog) -> Catalog {
    #[cfg(feature = "sqlite")]
    let catalog = catalog.with_persistence("sqlite", |config| {
        Box::pin(async move { open_sqlite(read_sqlite(&config)?).await })
    });
    #[cfg(feature = "postgres")]
    let catalog = postgres::entries(catalog);
    #[cfg(feature = "redis")]
    let catalog = catalog
        .with_queue("redis", |config| Box::pin(async move { open_redis_queue(read_redis(&config)?).await }));
    #[cfg(feature = "rabbitmq")]
    let catalog = catalog.with_queue("rabbitmq", |config| {
        Box::pin(async move { open_rabbitmq_queue(read_rabbitmq(&config)?).await })
    });
    catalog
}

/// A backend of this build, the key of its most important setting, and how its settings are read.
type Reader = (&'static str, &'static str, fn(&GatewayConfig) -> Result<()>);

const STORES: &[Reader] = &[
    #[cfg(feature = "sqlite")]
    ("sqlite", "persistence.url", |config| read_sqlite(config).map(drop)),
    #[cfg(feature = "postgres")]
    ("postgres", "persistence.url", |config| postgres::read(config).map(drop)),
];

const QUEUES: &[Reader] = &[
    #[cfg(feature = "redis")]
    ("redis", "queue.redis_url", |config| read_redis(config).map(drop)),
    #[cfg(feature = "rabbitmq")]
    ("rabbitmq", "queue.rabbitmq_url", |config| read_rabbitmq(config).map(drop)),
];

/// What is wrong with the settings of the chosen backends, by key. Nothing is opened.
pub(crate) fn problems(
    config: &GatewayConfig,
    persistence: Option<&str>,
    queue: Option<&str>,
) -> Vec<(&'static str, Error)> {
    let chosen = [(STORES, persistence), (QUEUES, queue)];
    let readers = chosen
        .into_iter()
        .flat_map(|(readers, chosen)| readers.iter().filter(move |(name, ..)| chosen == Some(*name)));
    readers.filter_map(|(_, key, read)| Some((*key, read(config).err()?))).collect()
}

#[cfg(feature = "sqlite")]
fn read_sqlite(config: &GatewayConfig) -> Result<agent_gateway_sqlite::SqliteConfig> {
    let config = &config.persistence;
    let sqlite = agent_gateway_sqlite::SqliteConfig::parse(config.url.expose())?;
    Ok(sqlite.table_prefix(&config.table_prefix))
}

#[cfg(feature = "redis")]
fn read_redis(config: &GatewayConfig) -> Result<agent_gateway_redis::RedisConfig> {
    let config = &config.queue;
    let redis = agent_gateway_redis::RedisConfig::parse(config.redis_url.expose())?;
    Ok(redis.stream_key(&config.stream_key).consumer_group(&config.consumer_group))
}

#[cfg(feature = "rabbitmq")]
fn read_rabbitmq(config: &GatewayConfig) -> Result<agent_gateway_rabbitmq::RabbitMqConfig> {
    let config = &config.queue;
    let rabbitmq = agent_gateway_rabbitmq::RabbitMqConfig::parse(config.rabbitmq_url.expose())?;
    let workers = u16::try_from(config.workers).unwrap_or(u16::MAX);
    Ok(rabbitmq.queue_name(&config.queue_name).prefetch(workers))
}

#[cfg(feature = "sqlite")]
pub(crate) async fn open_sqlite(
    config: agent_gateway_sqlite::SqliteConfig,
) -> Result<Arc<dyn PersistenceBackend>> {
    Ok(Arc::new(agent_gateway_sqlite::SqliteBackend::open(config).await?))
}

#[cfg(feature = "redis")]
pub(crate) async fn open_redis_queue(
    config: agent_gateway_redis::RedisConfig,
) -> Result<Arc<dyn ExecutionQueue>> {
    Ok(Arc::new(agent_gateway_redis::Redis::open(config).await?.queue().await?))
}

#[cfg(feature = "rabbitmq")]
pub(crate) async fn open_rabbitmq_queue(
    config: agent_gateway_rabbitmq::RabbitMqConfig,
) -> Result<Arc<dyn ExecutionQueue>> {
    Ok(Arc::new(agent_gateway_rabbitmq::RabbitMqQueue::open(config).await?))
}

#[cfg(feature = "postgres")]
pub(crate) mod postgres {
    use agent_gateway_postgres::{Postgres, PostgresBackend, PostgresConfig, PostgresQueue};
    use tokio::sync::Mutex;

    use super::{Arc, Catalog, ExecutionQueue, GatewayConfig, PersistenceBackend, Result};

    /// The pool that the persistence opened, for a queue of the same database.
    type Opened = Arc<Mutex<Option<(GatewayConfig, Postgres)>>>;

    /// The store and the queue. Opened for the same gateway, they share one pool.
    pub(super) fn entries(catalog: Catalog) -> Catalog {
        let opened = Opened::default();
        let for_queue = opened.clone();
        catalog
            .with_persistence("postgres", move |config| {
                let opened = opened.clone();
                Box::pin(async move {
                    let database = Postgres::open(read(&config)?).await?;
                    *opened.lock().await = Some((config, database.clone()));
                    Ok(open_store(&database))
                })
            })
            .with_queue("postgres", move |config| {
                let opened = for_queue.clone();
                Box::pin(async move {
                    let database = match opened.lock().await.take() {
                        Some((same, database)) if same.persistence == config.persistence => database,
                        _ => Postgres::open(read(&config)?).await?,
                    };
                    open_queue(&database).await
                })
            })
    }

    pub(crate) fn open_store(database: &Postgres) -> Arc<dyn PersistenceBackend> {
        Arc::new(PostgresBackend::new(database))
    }

    pub(crate) async fn open_queue(database: &Postgres) -> Result<Arc<dyn ExecutionQueue>> {
        Ok(Arc::new(PostgresQueue::open(database).await?))
    }

    pub(super) fn read(config: &GatewayConfig) -> Result<PostgresConfig> {
        let config = &config.persistence;
        let mut postgres = PostgresConfig::parse(config.url.expose())?
            .table_prefix(&config.table_prefix)
            .pool_size(config.pool_size)
            .max_overflow(config.max_overflow);
        if let Some(schema) = &config.db_schema {
            postgres = postgres.schema(schema);
        }
        Ok(postgres)
    }
}
