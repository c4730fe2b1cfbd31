//! What callers ask for in batches: accepting, completing, extending.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use agent_gateway_core::{Error, Result, id::ExecutionId, ports::queue::Lease};
use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::{
    lane::Batch,
    shared::{Shared, key, lost},
};
use crate::{
    error::{Cause, convert},
    statement::{Args, Plan, Statement},
};

pub(super) const ENQUEUE: &str = "postgres.enqueue";
pub(super) const COMPLETE: &str = "postgres.complete";
pub(super) const EXTEND: &str = "postgres.extend";

// The order of the batch is the order of the places. Whoever waits elsewhere is told once, at the commit.
const ENQUEUE_TEXT: &str = "\
    WITH accepted AS ( \
        INSERT INTO {p}execution_queue (execution_id, due_at, payload) \
        SELECT id, now(), payload FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS job (id, payload, number) \
        ORDER BY number \
        ON CONFLICT (execution_id) DO NOTHING RETURNING 1 \
    ) \
    SELECT pg_notify($3, $4) FROM (SELECT FROM accepted LIMIT 1) AS fresh";
const COMPLETE_TEXT: &str = "\
    DELETE FROM {p}execution_queue AS job USING unnest($1::text[], $2::text[]) AS lease (id, token) \
    WHERE job.execution_id = lease.id AND job.token = lease.token AND job.due_at > now() \
    RETURNING job.execution_id, job.token";
const EXTEND_TEXT: &str = "\
    UPDATE {p}execution_queue AS job SET due_at = now() + lease.micros * interval '1 microsecond' \
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS lease (id, token, micros) \
    WHERE job.execution_id = lease.id AND job.token = lease.token AND job.due_at > now() \
    RETURNING job.execution_id, job.token";

/// Accepts jobs.
pub(super) struct Accept {
    shared: Arc<Shared>,
    statement: Statement,
}

/// A job to accept.
#[derive(Debug)]
pub(super) struct NewJob {
    pub(super) id: ExecutionId,
    pub(super) payload: String,
}

impl Accept {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { statement: shared.statement(ENQUEUE, Plan::Kept, ENQUEUE_TEXT), shared }
    }
}

#[async_trait]
impl Batch for Accept {
    type Item = NewJob;

    async fn run(&self, jobs: &[NewJob]) -> Result<Vec<Result<()>>> {
        let pool = self.shared.pool(ENQUEUE)?;
        let (ids, payloads): (Vec<_>, Vec<_>) =
            jobs.iter().map(|job| (job.id.as_str(), job.payload.as_str())).unzip();
        let args = || {
            Args::default()
                .with(ids.as_slice())
                .with(payloads.as_slice())
                .with(self.shared.channels.jobs.as_str())
                .with(self.shared.instance.as_str())
                .done()
        };
        // Safe to repeat: a job that is there already is not accepted again.
        self.statement.repeat(pool, args).await?;
        self.shared.wake.notify_one();
        Ok(jobs.iter().map(|_| Ok(())).collect())
    }
}

/// Settles jobs for good.
pub(super) struct Complete {
    shared: Arc<Shared>,
    statement: Statement,
}

impl Complete {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { statement: shared.statement(COMPLETE, Plan::Fresh, COMPLETE_TEXT), shared }
    }
}

#[async_trait]
impl Batch for Complete {
    type Item = Lease;

    async fn run(&self, leases: &[Lease]) -> Result<Vec<Result<()>>> {
        let pool = self.shared.pool(COMPLETE)?;
        // Batches that lock rows in one order do not wait for each other in a circle.
        let mut keys: Vec<_> = leases.iter().map(key).collect();
        keys.sort_unstable();
        let (ids, tokens): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
        let args = || Args::default().with(ids.as_slice()).with(tokens.as_slice()).done();
        let (rows, doubt) = match self.statement.run(pool, args()?).await {
            Ok(rows) => (rows, None),
            // The first attempt may have been committed before the connection went.
            Err(failed) if failed.cause == Cause::Lost => {
                (self.statement.repeat(pool, args).await?, Some(failed.error))
            }
            Err(failed) if failed.is_passing() => (self.statement.repeat(pool, args).await?, None),
            Err(failed) => return Err(failed.error),
        };
        let mut settled = keys_of(COMPLETE, &rows)?;
        let settle = |lease: &Lease| match (settled.remove(&key(lease)), &doubt) {
            (true, _) => Ok(()),
            (false, None) => Err(lost(COMPLETE, lease.execution_id())),
            (false, Some(error)) => Err(error.copy()),
        };
        Ok(leases.iter().map(settle).collect())
    }
}

/// Keeps leases.
pub(super) struct Extend {
    shared: Arc<Shared>,
    statement: Statement,
}

/// A lease to keep.
#[derive(Debug)]
pub(super) struct Extension {
    pub(super) id: ExecutionId,
    pub(super) token: String,
    pub(super) micros: i64,
}

impl Extend {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { statement: shared.statement(EXTEND, Plan::Fresh, EXTEND_TEXT), shared }
    }
}

#[async_trait]
impl Batch for Extend {
    type Item = Extension;

    async fn run(&self, extensions: &[Extension]) -> Result<Vec<Result<()>>> {
        let pool = self.shared.pool(EXTEND)?;
        // Of two extensions of one lease the later one counts.
        let latest: HashMap<_, _> = extensions
            .iter()
            .map(|extension| ((extension.id.as_str(), extension.token.as_str()), extension.micros))
            .collect();
        let mut latest: Vec<_> = latest.into_iter().collect();
        latest.sort_unstable();
        let ids: Vec<_> = latest.iter().map(|((id, _), _)| *id).collect();
        let tokens: Vec<_> = latest.iter().map(|((_, token), _)| *token).collect();
        let micros: Vec<_> = latest.iter().map(|(_, micros)| *micros).collect();
        let args =
            || Args::default().with(ids.as_slice()).with(tokens.as_slice()).with(micros.as_slice()).done();
        let rows = self.statement.repeat(pool, args).await?;
        let held = keys_of(EXTEND, &rows)?;
        // A shorter time than before is an earlier time to look.
        self.shared.wake.notify_one();
        let kept = |extension: &Extension| {
            let key = (extension.id.as_str().to_owned(), extension.token.clone());
            if held.contains(&key) { Ok(()) } else { Err(lost(EXTEND, &extension.id)) }
        };
        Ok(extensions.iter().map(kept).collect())
    }
}

fn keys_of(operation: &'static str, rows: &[PgRow]) -> Result<HashSet<(String, String)>> {
    let key = |row: &PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter()
        .map(key)
        .collect::<Result<_, sqlx::Error>>()
        .map_err(|error: sqlx::Error| -> Error { convert(operation, error) })
}
