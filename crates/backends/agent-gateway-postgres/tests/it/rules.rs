//! What this queue and this lock promise beyond the suites.
use std::time::Duration;

use agent_gateway_core::{
    ErrorKind, Timestamp,
    id::ExecutionId,
    ports::{
        lock::Lock,
        queue::{Depth, ExecutionQueue, Job, Redelivery},
    },
};
use agent_gateway_postgres::{PostgresLock, PostgresQueue};
use agent_gateway_testkit::{Service, needs_service};
use futures::StreamExt;

use super::{
    load::{ask, job, process},
    world::World,
};

const LONG: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_queued_job_is_not_accepted_twice() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_queued_job_is_not_accepted_twice");
    let world = World::at(&url);
    let queue = process(&world).await;
    let job = job();
    let (a, b, c) = tokio::join!(queue.enqueue(&job), queue.enqueue(&job), queue.enqueue(&job));
    a.and(b).and(c).unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { ready: 1, ..Depth::default() });
    let leased = queue.lease(ask(9, LONG)).await.unwrap().pop().unwrap();
    queue.enqueue(&job).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { leased: 1, ..Depth::default() });
    queue.release(leased.lease, Redelivery::Dead("enough".to_owned())).await.unwrap();
    queue.enqueue(&job).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { ready: 1, dead: 1, ..Depth::default() });
}

#[tokio::test]
async fn the_newest_thousand_dead_jobs_are_kept() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::the_newest_thousand_dead_jobs_are_kept");
    let world = World::at(&url);
    let queue = process(&world).await;
    world
        .run(
            "INSERT INTO {s}.execution_queue_dead (execution_id, reason, deliveries, payload, accepted_at) \
             SELECT 'old-' || n, 'r', 1, '{}', now() FROM generate_series(1, 1000) AS n",
        )
        .await;
    queue.enqueue(&job()).await.unwrap();
    let leased = queue.lease(ask(1, LONG)).await.unwrap().pop().unwrap();
    queue.release(leased.lease, Redelivery::Dead("bad\0news".to_owned())).await.unwrap();
    let kept = "SELECT count(*) FROM {s}.execution_queue_dead";
    assert_eq!(world.number(kept).await, 1000);
    assert_eq!(world.number(&format!("{kept} WHERE execution_id = 'old-1'")).await, 0);
    assert_eq!(world.number(&format!("{kept} WHERE reason = 'badnews'")).await, 1);
}

#[tokio::test]
async fn a_job_that_cannot_be_read_stops_no_other() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::a_job_that_cannot_be_read_stops_no_other");
    let world = World::at(&url);
    let queue = process(&world).await;
    world
        .run("INSERT INTO {s}.execution_queue (execution_id, due_at, payload) VALUES ('odd', now(), 'odd')")
        .await;
    // Nor one whose id no execution can have.
    world
        .run("INSERT INTO {s}.execution_queue (execution_id, due_at, payload) VALUES ('', now(), '{}')")
        .await;
    let good = job();
    queue.enqueue(&good).await.unwrap();
    let leased = queue.lease(ask(3, LONG)).await.unwrap().pop().unwrap();
    assert_eq!((leased.job, leased.delivery), (good, 1));
    assert_eq!(queue.depth().await.unwrap(), Depth { leased: 1, dead: 2, ..Depth::default() });
}

#[tokio::test]
async fn leases_that_are_dropped_in_one_process_go_to_another() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::leases_that_are_dropped_in_one_process_go_to_another"
    );
    let world = World::at(&url);
    let (one, two) = (process(&world).await, process(&world).await);
    for _ in 0..20 {
        let waiting = one.lease(ask(1, LONG));
        let job = job();
        // Polled, so that the taking is under way at any moment, and dropped when the job is accepted.
        tokio::select! {
            taken = waiting => {
                let taken = taken.unwrap().pop().unwrap();
                one.complete(taken.lease).await.unwrap();
                continue;
            }
            enqueued = two.enqueue(&job) => enqueued.unwrap(),
        }
        let leased = tokio::time::timeout(LONG / 10, two.lease(ask(1, LONG))).await.unwrap().unwrap();
        let leased = leased.into_iter().next().unwrap();
        assert_eq!((leased.job, leased.delivery), (job, 1));
        two.complete(leased.lease).await.unwrap();
    }
}

#[tokio::test]
async fn every_process_hears_a_cancellation_and_other_schemas_do_not() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::every_process_hears_a_cancellation_and_other_schemas_do_not"
    );
    let (world, apart) = (World::at(&url), World::at(&url));
    let (one, two, stranger) = (process(&world).await, process(&world).await, process(&apart).await);
    let mut listeners = [one.cancellations(), two.cancellations()];
    let mut strange = stranger.cancellations();
    let id = ExecutionId::generate();
    one.request_cancel(&id).await.unwrap();
    let own = ExecutionId::generate();
    stranger.request_cancel(&own).await.unwrap();
    for listener in &mut listeners {
        assert_eq!(tokio::time::timeout(LONG, listener.next()).await.unwrap(), Some(id.clone()));
    }
    assert_eq!(strange.next().await, Some(own));
}

#[tokio::test]
async fn the_pool_lives_until_the_last_of_its_users_is_closed() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::the_pool_lives_until_the_last_of_its_users_is_closed"
    );
    let world = World::at(&url);
    let postgres = world.open().await.unwrap();
    let queue = PostgresQueue::open(&postgres).await.unwrap();
    let lock = PostgresLock::new(&postgres);
    queue.close().await.unwrap();
    let guard = lock.acquire("reload", LONG).await.unwrap().unwrap();
    lock.close().await;
    assert_eq!(lock.release(guard).await.unwrap_err().kind(), ErrorKind::Unavailable);
    let sessions = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%\"{}\".%' \
         AND pid <> pg_backend_pid()",
        world.schema
    );
    for _ in 0..100 {
        if world.number(&sessions).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("connections stay open");
}

#[tokio::test]
async fn a_lock_is_one_for_all_processes() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_lock_is_one_for_all_processes");
    let world = World::at(&url);
    let one = PostgresLock::new(&world.open().await.unwrap());
    let two = PostgresLock::new(&world.open().await.unwrap());
    let first = one.acquire("reload", LONG).await.unwrap().unwrap();
    assert!(two.acquire("reload", LONG).await.unwrap().is_none());
    let fence = first.fence();
    one.release(first).await.unwrap();
    let second = two.acquire("reload", LONG).await.unwrap().unwrap();
    assert!(second.fence() > fence);
    two.release(second).await.unwrap();
    // Of what ran out long ago nothing stays either.
    let old = "INSERT INTO {s}.locks (name, token, held_until) VALUES ('old', '', now() - interval '1 day')";
    world.run(old).await;
    let _other = one.acquire("other", LONG).await.unwrap().unwrap();
    assert_eq!(world.texts("SELECT name FROM {s}.locks").await, ["other"]);
    let error = one.acquire("a\0b", LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn what_was_not_prepared_says_so() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::what_was_not_prepared_says_so");
    let world = World::at(&url);
    let postgres = agent_gateway_postgres::Postgres::open(world.config()).await.unwrap();
    let queue = PostgresQueue::open(&postgres).await.unwrap();
    let job = Job::new(ExecutionId::generate(), Timestamp::UNIX_EPOCH);
    let error = queue.enqueue(&job).await.unwrap_err();
    assert!(error.to_string().contains("prepared"), "{error:?}");
}
