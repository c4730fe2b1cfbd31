//! Connections: one at a time for opening and preparing, a pool for everything else.
use std::time::Duration;

use agent_gateway_core::{Error, Result};
use futures::FutureExt;
use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    PostgresConfig,
    error::{convert, silent},
};

/// How long a new connection may take, and what is asked first over it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the server works for a statement of the pool: what nobody waits for any more must not pile up there.
pub(crate) const STATEMENT_LIMIT: Duration = Duration::from_secs(5);
/// Says so to the server, where its operator allows more: in milliseconds, as `pg_settings` counts them. A startup parameter
/// would say it without asking, but poolers refuse those that they do not know.
const LIMIT_STATEMENTS: &str = "SELECT set_config(name, $1, false) FROM pg_settings \
     WHERE name = 'statement_timeout' AND setting::bigint NOT BETWEEN 1 AND $1::bigint";
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
        Err(_) => Err(failed(silent(operation))),
    }
}

/// Waits for what is asked first over a connection, with an end.
pub(crate) async fn early<T>(
    operation: &'static str,
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T> {
    match tokio::time::timeout(CONNECT_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(|error| convert(operation, error)),
        Err(_) => Err(silent(operation)),
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

/// A connection of the pool. Dropped, it is gone, and its place in the pool is free at once: the answer to a statement that
/// was given up may still come, and the driver would wait for it.
#[derive(Debug)]
pub(crate) struct Loan(Option<PoolConnection<Postgres>>);

impl Loan {
    pub(crate) async fn from(pool: &PgPool) -> Result<Self, sqlx::Error> {
        pool.acquire().await.map(|connection| Self(Some(connection)))
    }

    /// A connection that answers now.
    pub(crate) async fn living(pool: &PgPool) -> Result<Self, sqlx::Error> {
        for _ in 0..pool.size() {
            let mut loan = Self::from(pool).await?;
            let ping = async { loan.connection()?.ping().await };
            if matches!(tokio::time::timeout(PING_TIMEOUT, ping).await, Ok(Ok(()))) {
                return Ok(loan);
            }
        }
        // By now it is a new one.
        Self::from(pool).await
    }

    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.0.as_deref_mut().ok_or(sqlx::Error::WorkerCrashed)
    }

    /// Gives it back after its last statement came to an end. The driver asks it once more whether it lives, without an end;
    /// so the end is here, and the place in the pool comes free in any case.
    #[expect(clippy::disallowed_methods, reason = "it ends within moments, and nobody waits for it")]
    pub(crate) fn give_back(mut self) {
        if let Some(mut connection) = self.0.take() {
            tokio::spawn(tokio::time::timeout(PING_TIMEOUT, connection.return_to_pool()));
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
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
        .after_connect(|connection, _| {
            async move {
                let limit = STATEMENT_LIMIT.as_millis().to_string();
                sqlx::query(LIMIT_STATEMENTS).bind(limit).persistent(false).execute(connection).await?;
                Ok(())
            }
            .boxed()
        })
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
