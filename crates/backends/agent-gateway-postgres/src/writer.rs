//! The connections that write.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{Error, ErrorKind, Result, Retry};
use agent_gateway_sql::{Driver, Effect, Failure, Kind, Reach, Statement, Syntax, Value};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, Either, Executor, PgConnection, Row as _, postgres::PgArguments};

use crate::{
    connect,
    error::{Cause, cause, convert},
    open::Member,
    row::{Row, arguments, arrays},
};

const OPERATION: &str = "postgres.write";

/// A transaction, with what it takes to find out what became of it, and its settings, which end with it: a pooler may give
/// the session to others.
///
/// What every statement here needs is found by a key, also in a table that was empty when the statement was planned: a plan
/// is made once and must not read whole tables later. A writer that hangs gives its locks up.
const BEGIN: &str = "BEGIN; SELECT pg_current_xact_id()::text, pg_postmaster_start_time()::text, \
                     set_config('plan_cache_mode', 'force_generic_plan', true), \
                     set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true), \
                     set_config('lock_timeout', '5s', true), set_config('statement_timeout', '20s', true), \
                     set_config('idle_in_transaction_session_timeout', '30s', true)";
/// Between two crashes a server is not new, but its statistics are; and it may give the number of a transaction that the crash
/// undid to another one. An operator who resets the statistics only makes the answer one that nobody knows.
const LIFE: &str = "SELECT pg_stat_get_bgwriter_stat_reset_time()::text";
/// How long anything may take before the connection counts as lost.
const TIMEOUT: Duration = Duration::from_secs(25);
/// How often the server is asked for the end of a transaction that it still sees running, and the pause between.
const QUESTIONS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that writes. It is opened with the first write, and again after it was lost.
#[derive(Debug)]
pub(crate) struct PostgresDriver {
    member: Arc<Member>,
    connection: Option<PgConnection>,
    transaction: Option<Transaction>,
    /// The life of the server in which the connection was opened; behind a pooler it may end before the connection does.
    life: String,
}

/// What identifies a transaction after its connection is lost.
#[derive(Debug)]
struct Transaction {
    number: String,
    /// When its server started: the numbers of another one tell nothing.
    server: String,
    /// The life of that server: see [`LIFE`].
    life: String,
}

impl PostgresDriver {
    pub(crate) fn new(member: Arc<Member>) -> Self {
        Self { member, connection: None, transaction: None, life: String::new() }
    }

    /// The connection, opened where there is none.
    async fn connection(&mut self) -> Result<&mut PgConnection, Failure> {
        let open = match self.connection.take() {
            Some(open) => open,
            None => self.open().await.map_err(|error| Failure { reach: Reach::Everything, error })?,
        };
        Ok(self.connection.insert(open))
    }

    async fn open(&mut self) -> Result<PgConnection> {
        let mut connection = connect::single(OPERATION, self.member.config()).await?;
        let life = sqlx::query_scalar::<_, Option<String>>(LIFE).persistent(false);
        self.life = connect::early(OPERATION, life.fetch_one(&mut connection)).await?.unwrap_or_default();
        Ok(connection)
    }

    async fn execute(&mut self, text: Arc<str>, args: PgArguments) -> Result<Effect<Row>, Failure> {
        let Some(connection) = &mut self.connection else { return Err(gone()) };
        let run = async {
            let mut results = connection.fetch_many(sqlx::query_with(AssertSqlSafe(text), args));
            let mut effect = Effect { affected: 0, rows: Vec::new() };
            while let Some(result) = results.try_next().await? {
                match result {
                    Either::Left(done) => effect.affected += done.rows_affected(),
                    Either::Right(row) => effect.rows.push(Row(row)),
                }
            }
            Ok(effect)
        };
        let outcome = within(run).await;
        outcome.map_err(|error| self.failed(error))
    }

    /// What a failure means. A connection that is lost, that leads to a standby, or whose server knows something differently
    /// from us is not used again.
    fn failed(&mut self, error: sqlx::Error) -> Failure {
        let reach = reach(&error);
        let spoken = error.as_database_error().is_some() || is_of_values(&error);
        if !spoken || matches!(cause(&error), Cause::Lost | Cause::ReadOnly) || is_stale(&error) {
            self.connection = None;
        }
        Failure { reach, error: convert(OPERATION, error) }
    }

    /// What became of a transaction whose connection was lost while it was stored.
    async fn fate(&mut self, lost: sqlx::Error) -> Result<(), Failure> {
        self.connection = None;
        let lost = convert(OPERATION, lost);
        let Some(transaction) = self.transaction.take() else { return Err(unknown(&lost)) };
        for _ in 0..QUESTIONS {
            match self.ask(&transaction).await {
                Ok(Some(status)) => match status.as_str() {
                    "committed" => return Ok(()),
                    "aborted" => return Err(Failure { reach: Reach::Passing, error: lost }),
                    _ => tokio::time::sleep(PAUSE).await,
                },
                _ => break,
            }
        }
        Err(unknown(&lost))
    }

    /// What the server says of a transaction; `None` when it is not the server that ran it.
    async fn ask(&mut self, transaction: &Transaction) -> Result<Option<String>, Failure> {
        let text = "SELECT pg_xact_status($1::text::xid8), pg_postmaster_start_time()::text";
        let connection = self.connection().await?;
        let ask = sqlx::query(text).bind(&transaction.number).fetch_one(connection);
        let answer = within(async {
            let row = ask.await?;
            Ok((row.try_get::<Option<String>, _>(0)?, row.try_get::<String, _>(1)?))
        });
        let (status, server) = answer.await.map_err(|error| self.failed(error))?;
        Ok(status.filter(|_| server == transaction.server && self.life == transaction.life))
    }
}

/// A wait for the server with an end.
async fn within<T>(wait: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(TIMEOUT, wait).await {
        Ok(outcome) => outcome,
        Err(late) => Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, late))),
    }
}

fn reach(error: &sqlx::Error) -> Reach {
    match cause(error) {
        Cause::Lost | Cause::Race => Reach::Passing,
        // A row that somebody keeps locked is in the way of one command.
        _ if is(error, &["55P03"]) => Reach::Command,
        _ if is_stale(error) || is_overtaken(error) => Reach::Passing,
        Cause::Other if error.as_database_error().is_some() || is_of_values(error) => Reach::Command,
        _ => Reach::Everything,
    }
}

/// Whether a transaction that ended meanwhile took the key, or removed the row, that a statement had seen free or there.
/// Our statements ask before they insert, so the next attempt finds the reason.
fn is_overtaken(error: &sqlx::Error) -> bool {
    is(error, &["23505", "23503"])
}

/// Whether the server has forgotten a prepared statement, its table has changed since, or it ended the transaction because
/// this process slept.
fn is_stale(error: &sqlx::Error) -> bool {
    is(error, &["26000", "0A000", "25P03"])
}

/// Whether a value cannot be sent or read.
fn is_of_values(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. })
}

fn is(error: &sqlx::Error, codes: &[&str]) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| codes.contains(&&*code))
}

/// A transaction whose connection was lost before.
fn gone() -> Failure {
    let error = Error::unavailable("the connection to the database is gone").during(OPERATION);
    Failure { reach: Reach::Passing, error }
}

fn unknown(lost: &Error) -> Failure {
    let message = "the connection to the database was lost during a commit, and the server does not say what became \
                   of it: read what is stored before writing again";
    let error = Error::new(ErrorKind::Unavailable, message).during(OPERATION).retry_as(Retry::Never);
    Failure { reach: Reach::Everything, error: error.caused_by(format!("{lost:?}")) }
}

impl Driver for PostgresDriver {
    type Row = Row;

    fn syntax(&self) -> Syntax {
        Syntax::Postgres
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        let connection = self.connection().await?;
        let begin = within(async {
            let row = sqlx::raw_sql(BEGIN).fetch_one(connection).await?;
            Ok((row.try_get(0)?, row.try_get(1)?))
        });
        let (number, server) = begin.await.map_err(|error| self.failed(error))?;
        self.transaction = Some(Transaction { number, server, life: self.life.clone() });
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else { return Err(gone()) };
        match within(sqlx::raw_sql("COMMIT").execute(connection)).await {
            Ok(_) => Ok(()),
            Err(error) if cause(&error) == Cause::Lost => self.fate(error).await,
            Err(error) => Err(self.failed(error)),
        }
    }

    async fn rollback(&mut self) {
        self.transaction = None;
        if let Some(mut connection) = self.connection.take()
            && within(sqlx::raw_sql("ROLLBACK").execute(&mut connection)).await.is_ok()
        {
            self.connection = Some(connection);
        }
    }

    async fn run(&mut self, statement: &Statement) -> Result<Effect<Row>, Failure> {
        let args = arguments(&statement.args).map_err(|error| self.failed(error))?;
        self.execute(statement.text.clone(), args).await
    }

    async fn run_rows(
        &mut self,
        text: &Arc<str>,
        kinds: &[Kind],
        rows: &[&[Value]],
    ) -> Result<Effect<Row>, Failure> {
        let args = arrays(kinds, rows).map_err(|error| self.failed(error))?;
        self.execute(text.clone(), args).await
    }

    async fn prepare(&mut self) -> Result<()> {
        self.member.prepare().await
    }

    async fn close(self) {
        if let Some(connection) = self.connection {
            connect::dismiss(connection).await;
        }
    }
}
