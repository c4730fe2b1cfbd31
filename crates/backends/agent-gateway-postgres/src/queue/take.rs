//! Taking jobs from the table, and giving back what reached nobody.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Result,
    id::ExecutionId,
    ports::queue::{Job, Lease, LeaseRequest, Leased},
};
use sqlx::{Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    release::Bury,
    shared::{LostTake, Shared, Unwanted, key},
};
use crate::{
    error::{Cause, convert},
    statement::{Args, Failed, Plan, Statement, micros},
};

pub(super) const LEASE: &str = "postgres.lease";

// One row for each job, and one more that says when the next one is due. The server's clock decides.
//
// The commit does not wait for the disk. A server that crashes in the next moment may forget the lease: then it is void, as
// if it had run out, and the job is handed out again.
const TAKE: &str = "\
    WITH due AS MATERIALIZED ( \
        SELECT execution_id, due_at, place FROM {p}execution_queue \
        WHERE due_at <= now() ORDER BY due_at, place LIMIT $1 FOR UPDATE SKIP LOCKED \
    ), placed AS ( \
        SELECT execution_id, row_number() OVER (ORDER BY due_at, place) AS slot FROM due \
    ), taken AS ( \
        UPDATE {p}execution_queue AS job \
        SET token = $2, holder = ($3::text[])[placed.slot], deliveries = job.deliveries + 1, \
            due_at = now() + ($4::bigint[])[placed.slot] * interval '1 microsecond' \
        FROM placed WHERE job.execution_id = placed.execution_id \
        RETURNING placed.slot, job.execution_id, job.payload, job.deliveries \
    ) \
    SELECT slot, execution_id, payload, deliveries, NULL::bigint, NULL FROM taken \
    UNION ALL \
    SELECT NULL, NULL, NULL, NULL, (extract(epoch FROM min(due_at) - now()) * 1000000)::bigint, \
        set_config('synchronous_commit', 'off', true) \
    FROM {p}execution_queue WHERE due_at > now() \
    ORDER BY 1";
// As if it had never been handed out: the place among the others, and the count.
const GIVE_BACK: &str = "\
    WITH free AS ( \
        UPDATE {p}execution_queue AS job \
        SET token = NULL, holder = NULL, deliveries = job.deliveries - 1, due_at = job.accepted_at \
        FROM unnest($1::text[], $2::text[]) AS lease (id, token) \
        WHERE job.execution_id = lease.id AND job.token = lease.token \
        RETURNING 1 \
    ) \
    SELECT pg_notify($3, $4) FROM (SELECT FROM free LIMIT 1) AS any_free";
// The same where nobody knows which jobs they are.
const GIVE_BACK_LOST: &str = "\
    WITH free AS ( \
        UPDATE {p}execution_queue AS job \
        SET token = NULL, holder = NULL, deliveries = job.deliveries - 1, due_at = job.accepted_at \
        WHERE job.token = ANY ($1::text[]) \
        RETURNING 1 \
    ) \
    SELECT pg_notify($2, $3) FROM (SELECT FROM free LIMIT 1) AS any_free";

/// Takes jobs and gives them back.
#[derive(Debug)]
pub(super) struct Taker {
    shared: Arc<Shared>,
    take: Statement,
    give_back: Statement,
    give_back_lost: Statement,
    bury: Bury,
}

/// What was there.
#[derive(Debug)]
pub(super) struct Taken {
    /// At most one for each slot, in the order of the slots.
    pub(super) jobs: Vec<Leased>,
    /// When the next one is due, if there is one.
    pub(super) next: Option<Duration>,
}

/// Whether a connection was lost just now.
#[derive(Clone, Copy, Debug)]
enum Attempt {
    First,
    Second,
}

impl Taker {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            take: shared.statement(LEASE, Plan::Fresh, TAKE),
            give_back: shared.statement("postgres.give_back", Plan::Fresh, GIVE_BACK),
            give_back_lost: shared.statement("postgres.give_back", Plan::Fresh, GIVE_BACK_LOST),
            bury: Bury::new(&shared),
            shared,
        }
    }

    /// Takes one job for each slot, as long as there are some.
    pub(super) async fn take(&self, slots: &[&LeaseRequest]) -> Result<Taken> {
        match self.attempt(slots, Attempt::First).await {
            // Whatever the lost statement took was given back to the others before it is tried again.
            Err(failed) if failed.is_passing() => {
                self.give_back().await?;
                Ok(self.attempt(slots, Attempt::Second).await?)
            }
            taken => Ok(taken?),
        }
    }

    async fn attempt(&self, slots: &[&LeaseRequest], attempt: Attempt) -> Result<Taken, Failed> {
        let plain = |error| Failed { cause: Cause::Other, error };
        let pool = self.shared.pool(LEASE).map_err(plain)?;
        let token = Uuid::now_v7().to_string();
        let holders: Vec<_> = slots.iter().map(|slot| slot.worker.replace('\0', "")).collect();
        let times: Vec<_> = slots.iter().map(|slot| micros(slot.visibility)).collect();
        let count = i64::try_from(slots.len()).unwrap_or(i64::MAX);
        let args = Args::default().with(count).with(token.as_str()).with(holders).with(times).done();
        let args = args.map_err(plain)?;
        let ran = match attempt {
            Attempt::First => self.take.run(pool, args).await,
            Attempt::Second => self.take.run_again(pool, args).await,
        };
        let rows = match ran {
            Ok(rows) => rows,
            Err(failed) => {
                if matches!(failed.cause, Cause::Lost | Cause::Silent) {
                    self.give_back_lost(token);
                }
                return Err(failed);
            }
        };
        let found = rows.iter().map(|row| read(row, &token)).collect::<Result<Vec<_>, _>>();
        let found = found.map_err(|error| {
            self.give_back_lost(token.clone());
            plain(convert(LEASE, error))
        })?;
        let mut taken = Taken { jobs: Vec::with_capacity(found.len()), next: None };
        let mut unreadable = Vec::new();
        for found in found {
            match found {
                Found::Job(leased) => taken.jobs.push(leased),
                Found::Next(next) => taken.next = next,
                Found::Unreadable(id, reason) => unreadable.push((id, reason)),
            }
        }
        for (execution_id, reason) in unreadable {
            // It would come again and again. The others do not wait for what cannot be done now.
            tracing::error!(%execution_id, %reason, "a job of the queue cannot be read");
            if let Err(failed) = self.bury.run(pool, &execution_id, &token, &reason).await {
                tracing::warn!(error = ?failed.error, %execution_id, "it stays until its lease runs out");
            }
        }
        Ok(taken)
    }

    fn give_back_lost(&self, token: String) {
        self.shared.give_back(Unwanted { lost: vec![LostTake::new(token)], ..Unwanted::default() });
    }

    /// Gives back what reached nobody. What cannot be given back now is kept for the next time.
    pub(super) async fn give_back(&self) -> Result<()> {
        let unwanted = self.shared.take_unwanted();
        let given = self.give_all_back(&unwanted).await;
        // Without a wake: what failed just now would only fail again.
        self.shared.keep_unwanted(match given {
            Ok(()) => Unwanted {
                leases: Vec::new(),
                lost: unwanted.lost.into_iter().filter_map(LostTake::again).collect(),
            },
            Err(_) => unwanted,
        });
        given
    }

    async fn give_all_back(&self, unwanted: &Unwanted) -> Result<()> {
        let (jobs, instance) = (self.shared.channels.jobs.as_str(), self.shared.instance.as_str());
        if !unwanted.leases.is_empty() {
            let (ids, tokens): (Vec<_>, Vec<_>) = unwanted.leases.iter().map(key).unzip();
            let args = || {
                Args::default().with(ids.as_slice()).with(tokens.as_slice()).with(jobs).with(instance).done()
            };
            self.give_back.repeat(self.shared.pool(self.give_back.operation)?, args).await?;
        }
        if !unwanted.lost.is_empty() {
            let tokens: Vec<_> = unwanted.lost.iter().map(|lost| lost.token.as_str()).collect();
            let args = || Args::default().with(tokens.as_slice()).with(jobs).with(instance).done();
            self.give_back_lost.repeat(self.shared.pool(self.give_back_lost.operation)?, args).await?;
        }
        Ok(())
    }
}

/// What a row of the answer says.
enum Found {
    Job(Leased),
    /// The id of a job, and why it cannot be handed out.
    Unreadable(String, String),
    Next(Option<Duration>),
}

fn read(row: &PgRow, token: &str) -> Result<Found, sqlx::Error> {
    let Some(id) = row.try_get::<Option<String>, _>(1)? else {
        let next: Option<i64> = row.try_get(4)?;
        return Ok(Found::Next(next.map(|micros| Duration::from_micros(micros.max(0).unsigned_abs()))));
    };
    let deliveries: i32 = row.try_get(3)?;
    let lease = match ExecutionId::new(&id) {
        Ok(id) => Lease::new(id, token),
        Err(error) => return Ok(Found::Unreadable(id, error.to_string())),
    };
    Ok(match serde_json::from_str::<Job>(row.try_get(2)?) {
        Ok(job) => Found::Job(Leased { job, lease, delivery: deliveries.unsigned_abs() }),
        Err(error) => Found::Unreadable(id, error.to_string()),
    })
}
