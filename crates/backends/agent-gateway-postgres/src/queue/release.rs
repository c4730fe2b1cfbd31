//! Giving a job back, now, later or for good.
use std::time::Duration;

use agent_gateway_core::{Error, Result, ports::queue::Lease};
use sqlx::PgPool;

use super::shared::{Shared, lost};
use crate::statement::{Args, Failed, Plan, Statement, micros};

pub(super) const RELEASE: &str = "postgres.release";
/// The longest reason that is kept, in characters.
const REASON_CHARS: usize = 4096;

// Behind those that are due by now. Others are told of a job that they may take at once.
const RELEASE_TEXT: &str = "\
    WITH free AS ( \
        UPDATE {p}execution_queue \
        SET token = NULL, holder = NULL, due_at = now() + $3 * interval '1 microsecond' \
        WHERE execution_id = $1 AND token = $2 AND due_at > now() \
        RETURNING 1 \
    ) \
    SELECT CASE WHEN $3 = 0 THEN pg_notify($4, $5) END FROM free";
// The table keeps the newest thousand.
const BURY_TEXT: &str = "\
    WITH gone AS ( \
        DELETE FROM {p}execution_queue WHERE execution_id = $1 AND token = $2 AND due_at > now() \
        RETURNING execution_id, deliveries, payload, accepted_at \
    ), kept AS ( \
        INSERT INTO {p}execution_queue_dead (execution_id, reason, deliveries, payload, accepted_at) \
        SELECT execution_id, $3, deliveries, payload, accepted_at FROM gone \
    ), trimmed AS ( \
        DELETE FROM {p}execution_queue_dead WHERE EXISTS (SELECT FROM gone) AND id <= ( \
            SELECT id FROM {p}execution_queue_dead ORDER BY id DESC OFFSET 999 LIMIT 1 \
        ) \
    ) \
    SELECT execution_id FROM gone";

/// Gives jobs back.
#[derive(Debug)]
pub(super) struct Release(Statement);

impl Release {
    pub(super) fn new(shared: &Shared) -> Self {
        Self(shared.statement(RELEASE, Plan::Fresh, RELEASE_TEXT))
    }

    pub(super) async fn run(&self, shared: &Shared, lease: &Lease, delay: Duration) -> Result<()> {
        let args = Args::default()
            .with(lease.execution_id().as_str())
            .with(lease.token())
            .with(micros(delay))
            .with(shared.channels.jobs.as_str())
            .with(shared.instance.as_str());
        let rows = self.0.run(shared.pool(RELEASE)?, args.done()?).await?;
        // There may be a job now, or an earlier time to look.
        shared.wake.notify_one();
        if rows.is_empty() { Err(lost(RELEASE, lease.execution_id())) } else { Ok(()) }
    }
}

/// Gives jobs up.
#[derive(Debug)]
pub(super) struct Bury(Statement);

impl Bury {
    pub(super) fn new(shared: &Shared) -> Self {
        Self(shared.statement(RELEASE, Plan::Fresh, BURY_TEXT))
    }

    /// Gives up the job of a lease. Its id is a text: it need not be one that an execution may have.
    pub(super) async fn run(&self, pool: &PgPool, id: &str, token: &str, reason: &str) -> Result<(), Failed> {
        let plain = |error: Error| Failed { cause: crate::error::Cause::Other, error };
        let reason: String = reason.chars().filter(|c| *c != '\0').take(REASON_CHARS).collect();
        let args = Args::default().with(id).with(token).with(reason);
        let rows = self.0.run(pool, args.done().map_err(plain)?).await?;
        if rows.is_empty() { Err(plain(lost(RELEASE, id))) } else { Ok(()) }
    }
}
