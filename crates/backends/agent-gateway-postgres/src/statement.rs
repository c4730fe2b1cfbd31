//! One statement of the pool, its own transaction, in bounded time.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{Error, Result};
use sqlx::{
    AssertSqlSafe, PgPool, Postgres,
    postgres::{PgArguments, PgRow},
};

use crate::{
    connect::{Loan, STATEMENT_LIMIT},
    error::{Cause, cause, convert, silent},
};

/// How long a statement may take: a moment longer than the server works for it, so that it is the server who says so.
const TIMEOUT: Duration = STATEMENT_LIMIT.saturating_add(Duration::from_secs(1));
/// How long a statement may take that is known to be slow, and the server's share of that.
const LONG_TIMEOUT: Duration = Duration::from_secs(22);
const BEGIN_LONG: &str = "BEGIN; SET LOCAL statement_timeout = '20s'";
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

    /// Whether the server answered, so that the connection can be used again; that to a standby is better replaced.
    fn is_answer(&self) -> bool {
        !matches!(self.cause, Cause::Lost | Cause::Silent | Cause::ReadOnly | Cause::Protocol | Cause::Other)
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
        let loan = Loan::from(pool).await.map_err(|error| Failed::new(self.operation, error))?;
        self.run_on(loan, args).await
    }

    /// Runs it once more after a connection was lost: where one is, there may be others, so this one is asked first.
    pub(crate) async fn run_again(&self, pool: &PgPool, args: PgArguments) -> Result<Vec<PgRow>, Failed> {
        let loan = Loan::living(pool).await.map_err(|error| Failed::new(self.operation, error))?;
        self.run_on(loan, args).await
    }

    /// Runs it with more time, after the server stopped it.
    pub(crate) async fn run_long(&self, pool: &PgPool, args: PgArguments) -> Result<Vec<PgRow>, Failed> {
        let failed = |error| Failed::new(self.operation, error);
        let mut loan = Loan::from(pool).await.map_err(failed)?;
        let run = async {
            let connection = loan.connection()?;
            sqlx::raw_sql(BEGIN_LONG).execute(&mut *connection).await?;
            let rows = self.query(args).fetch_all(&mut *connection).await?;
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
            Ok(rows)
        };
        let rows = self.within(LONG_TIMEOUT, run).await?;
        loan.give_back();
        Ok(rows)
    }

    async fn run_on(&self, mut loan: Loan, args: PgArguments) -> Result<Vec<PgRow>, Failed> {
        let run = async { self.query(args).fetch_all(loan.connection()?).await };
        let ran = self.within(TIMEOUT, run).await;
        if ran.as_ref().err().is_none_or(|failed| failed.is_answer()) {
            loan.give_back();
        }
        ran
    }

    fn query(&self, args: PgArguments) -> sqlx::query::Query<'static, Postgres, PgArguments> {
        sqlx::query_with(AssertSqlSafe(self.text.clone()), args).persistent(self.plan == Plan::Kept)
    }

    async fn within(
        &self,
        limit: Duration,
        run: impl Future<Output = Result<Vec<PgRow>, sqlx::Error>>,
    ) -> Result<Vec<PgRow>, Failed> {
        match tokio::time::timeout(limit, run).await {
            Ok(ran) => ran.map_err(|error| Failed::new(self.operation, error)),
            Err(_) => Err(Failed { cause: Cause::Silent, error: silent(self.operation) }),
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
