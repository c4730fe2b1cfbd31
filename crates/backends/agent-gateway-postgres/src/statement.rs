//! One statement, its own transaction, in bounded time. For the queue and the lock.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{Error, Result};
use sqlx::{
    AssertSqlSafe, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
};

use crate::{
    connect,
    error::{Cause, cause, convert},
};

/// How long a statement may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a statement that is safe to repeat is begun.
const ATTEMPTS: u32 = 3;

/// Whether the server plans a statement once or every time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Once for each connection.
    Kept,
    /// Every time. A queue grows from nothing to many in a second, and the server's statistics follow in a minute: a plan
    /// that was made for an empty table would read all of a full one.
    Fresh,
}

/// A statement that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: Cause,
    pub(crate) error: Error,
}

impl Failed {
    fn new(operation: &'static str, error: sqlx::Error) -> Self {
        Self { cause: cause(&error), error: convert(operation, error) }
    }

    /// Whether the same statement may do better at once: on another connection, or after another transaction.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.cause, Cause::Lost | Cause::Race)
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// A statement of our own text.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) operation: &'static str,
    pub(crate) text: Arc<str>,
    pub(crate) plan: Plan,
}

impl Statement {
    /// Runs it once.
    pub(crate) async fn run(&self, pool: &PgPool, args: PgArguments) -> Result<Vec<PgRow>, Failed> {
        let connection = pool.acquire().await.map_err(|error| Failed::new(self.operation, error))?;
        self.run_on(connection, args).await
    }

    /// Runs it once more after a connection was lost: where one is, there may be others, so this one is asked first.
    pub(crate) async fn run_again(&self, pool: &PgPool, args: PgArguments) -> Result<Vec<PgRow>, Failed> {
        let connection = connect::living(pool).await.map_err(|error| Failed::new(self.operation, error))?;
        self.run_on(connection, args).await
    }

    async fn run_on(
        &self,
        mut connection: PoolConnection<Postgres>,
        args: PgArguments,
    ) -> Result<Vec<PgRow>, Failed> {
        let failed = |error| Failed::new(self.operation, error);
        let query =
            sqlx::query_with(AssertSqlSafe(self.text.clone()), args).persistent(self.plan == Plan::Kept);
        match tokio::time::timeout(TIMEOUT, query.fetch_all(&mut *connection)).await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => {
                let failed = failed(error);
                if failed.cause == Cause::Lost {
                    connection.close_on_drop();
                }
                Err(failed)
            }
            Err(_) => {
                // Its answer may still come, and must not be taken for that of the next statement.
                connection.close_on_drop();
                let error = Error::unavailable("the database took longer than it may").during(self.operation);
                Err(Failed { cause: Cause::Slow, error })
            }
        }
    }

    /// Runs it again when the connection was lost or another transaction was in the way: only for what may happen twice.
    pub(crate) async fn repeat(
        &self,
        pool: &PgPool,
        args: impl Fn() -> Result<PgArguments>,
    ) -> Result<Vec<PgRow>, Failed> {
        let plain = |error| Failed { cause: Cause::Other, error };
        let mut done = self.run(pool, args().map_err(plain)?).await;
        for _ in 1..ATTEMPTS {
            match done {
                Err(failed) if failed.is_passing() => {
                    done = self.run_again(pool, args().map_err(plain)?).await;
                }
                done => return done,
            }
        }
        done
    }
}

/// Collects the arguments of a statement.
#[derive(Debug, Default)]
pub(crate) struct Args(PgArguments, Option<sqlx::error::BoxDynError>);

impl Args {
    /// The next argument.
    pub(crate) fn with<'v, T>(mut self, value: T) -> Self
    where
        T: sqlx::Encode<'v, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + 'v,
    {
        use sqlx::Arguments;
        if let Err(error) = self.0.add(value) {
            self.1 = Some(error);
        }
        self
    }

    /// All of them.
    pub(crate) fn done(self) -> Result<PgArguments> {
        match self.1 {
            None => Ok(self.0),
            Some(error) => Err(Error::unexpected("a value cannot be sent to the database").caused_by(error)),
        }
    }
}

/// A duration as the server gets it. What is longer than thirty years is endless.
pub(crate) fn micros(duration: Duration) -> i64 {
    const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    i64::try_from(duration.min(FAR).as_micros()).unwrap_or(i64::MAX)
}
