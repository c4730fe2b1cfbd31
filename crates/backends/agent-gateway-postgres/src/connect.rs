//! Connections: one at a time for opening and preparing, a pool for everything else.
use std::time::Duration;

use agent_gateway_core::{Error, ErrorKind, Result};
use futures::FutureExt;
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{PostgresConfig, error::convert};

/// How long a new connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection, and for the server to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that nobody needs for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// A connection is replaced at this age, so that after a failover the load finds its way to all servers again.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// A connection that was idle for longer than this is asked whether it still lives before somebody gets it.
const TRUSTED: Duration = Duration::from_millis(500);
/// How long that question, and closing, may take.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection outside the pool.
pub(crate) async fn single(operation: &'static str, config: &PostgresConfig) -> Result<PgConnection> {
    let failed = |error: Error| error.with("database", config.location());
    match tokio::time::timeout(CONNECT_TIMEOUT, config.connect.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(failed(convert(operation, error))),
        Err(_) => Err(failed(
            Error::new(ErrorKind::Unavailable, "the database did not answer in time").during(operation),
        )),
    }
}

/// Closes a connection, which gives up every lock that it holds. A server that is away has closed it already.
pub(crate) async fn dismiss(connection: PgConnection) {
    // Whatever comes of it, the connection is gone.
    let _ = tokio::time::timeout(PING_TIMEOUT, connection.close()).await;
}

/// The pool that persistence, queue and lock share. It opens its connections when they are needed.
pub(crate) fn pool(config: &PostgresConfig) -> PgPool {
    pool_options(config.max_connections()).connect_lazy_with(config.connect.clone())
}

/// A connection of the pool that answers now.
pub(crate) async fn living(pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
    for _ in 0..pool.size() {
        let mut connection = pool.acquire().await?;
        if matches!(tokio::time::timeout(PING_TIMEOUT, connection.ping()).await, Ok(Ok(()))) {
            return Ok(connection);
        }
        connection.close_on_drop();
    }
    // By now it is a new one.
    pool.acquire().await
}

/// A pool of one for a listener, which must not take a place from those who work.
pub(crate) fn listener_pool(connect: &PgConnectOptions) -> PgPool {
    pool_options(1).idle_timeout(None).max_lifetime(None).connect_lazy_with(connect.clone())
}

fn pool_options(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        // The hook below asks too, but not a connection that somebody used a moment ago.
        .test_before_acquire(false)
        .before_acquire(|connection, about| {
            async move {
                if about.idle_for < TRUSTED {
                    return Ok(true);
                }
                let alive = tokio::time::timeout(PING_TIMEOUT, connection.ping()).await;
                Ok(matches!(alive, Ok(Ok(()))))
            }
            .boxed()
        })
}
