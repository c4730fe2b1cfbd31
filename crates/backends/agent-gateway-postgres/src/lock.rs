//! A lock that processes share: a row with a holder, a fence and an end.
use std::time::Duration;

use agent_gateway_core::{
    Error, Result,
    execution::Fence,
    ports::lock::{Lock, LockGuard},
};
use async_trait::async_trait;
use sqlx::Row;
use uuid::Uuid;

use crate::{
    Postgres,
    error::convert,
    open::Member,
    statement::{Args, Plan, Statement, micros},
};

// Of two who come for one name, the second draws its fence after the first has written. What ran out long ago goes by the way.
const ACQUIRE: &str = "\
    WITH turn AS MATERIALIZED ( \
        SELECT pg_advisory_xact_lock(hashtextextended('{p}locks ' || $1, 0)) \
    ), forgotten AS ( \
        DELETE FROM {p}locks WHERE name IN ( \
            SELECT name FROM {p}locks WHERE held_until < now() - interval '1 hour' AND name <> $1 \
            LIMIT 100 FOR UPDATE SKIP LOCKED \
        ) \
    ) \
    INSERT INTO {p}locks AS held (name, token, held_until) \
    SELECT $1, $2, now() + $3 * interval '1 microsecond' FROM turn \
    ON CONFLICT (name) DO UPDATE \
    SET token = excluded.token, fence = DEFAULT, held_until = excluded.held_until \
    WHERE held.held_until <= now() \
    RETURNING fence";
// A lock that ran out may be renewed as long as nobody took it, for an hour: no other holder has written in between.
const RENEW: &str = "\
    UPDATE {p}locks SET held_until = now() + $3 * interval '1 microsecond' \
    WHERE name = $1 AND token = $2 RETURNING fence";
const RELEASE: &str = "DELETE FROM {p}locks WHERE name = $1 AND token = $2 RETURNING fence";

/// Locks in a table, by the server's clock; no connection is held while a lock is.
///
/// All names draw their fences out of one sequence, so a fence never falls. [`Postgres::prepare`] makes the table.
#[derive(Debug)]
pub struct PostgresLock {
    member: Member,
    acquire: Statement,
    renew: Statement,
    release: Statement,
}

impl PostgresLock {
    /// Locks on this database.
    #[must_use]
    pub fn new(postgres: &Postgres) -> Self {
        let member = postgres.join();
        let statement = |operation, template| Statement {
            operation,
            text: member.names().fill(template),
            plan: Plan::Kept,
        };
        Self {
            acquire: statement("postgres.acquire", ACQUIRE),
            renew: statement("postgres.renew", RENEW),
            release: statement("postgres.unlock", RELEASE),
            member,
        }
    }

    /// Gives the share of the pool up. Later calls are `Unavailable`; what is held runs out.
    pub async fn close(&self) {
        self.member.close().await;
    }
}

#[async_trait]
impl Lock for PostgresLock {
    async fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<LockGuard>> {
        let operation = self.acquire.operation;
        if name.contains('\0') {
            return Err(Error::invalid("the name of a lock holds a zero byte").during(operation));
        }
        let token = Uuid::now_v7().to_string();
        let args = Args::default().with(name).with(token.as_str()).with(micros(ttl)).done()?;
        let rows = self.acquire.run(self.member.pool(operation)?, args).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let fence: i64 = row.try_get(0).map_err(|error| convert(operation, error))?;
        Ok(Some(LockGuard::new(name, token, Fence(fence.unsigned_abs()))))
    }

    async fn renew(&self, guard: &LockGuard, ttl: Duration) -> Result<()> {
        let pool = self.member.pool(self.renew.operation)?;
        let args = || Args::default().with(guard.name()).with(guard.token()).with(micros(ttl)).done();
        if self.renew.repeat(pool, args).await?.is_empty() {
            return Err(Error::conflict("the lock is no longer held by this guard")
                .during(self.renew.operation)
                .with("lock", guard.name())
                .with("fence", guard.fence().0));
        }
        Ok(())
    }

    async fn release(&self, guard: LockGuard) -> Result<()> {
        let pool = self.member.pool(self.release.operation)?;
        let args = || Args::default().with(guard.name()).with(guard.token()).done();
        self.release.repeat(pool, args).await?;
        Ok(())
    }
}
