//! Many jobs, many workers, several processes.
use std::{collections::HashSet, sync::Arc, time::Duration};

use agent_gateway_core::{
    Timestamp,
    clock::{Clock, SystemClock},
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, LeaseRequest},
};
use agent_gateway_postgres::PostgresQueue;
use agent_gateway_testkit::{Service, needs_service};
use tokio::{task::JoinSet, time::Instant};

use super::world::World;

const LONG: Duration = Duration::from_secs(120);

pub(crate) fn job() -> Job {
    Job::new(ExecutionId::generate(), Timestamp::UNIX_EPOCH)
}

pub(crate) fn ask(count: usize, wait: Duration) -> LeaseRequest {
    LeaseRequest { worker: "load".to_owned(), count, wait, visibility: LONG }
}

/// A prepared queue with a pool of its own, as another process has it.
pub(crate) async fn process(world: &World) -> Arc<PostgresQueue> {
    Arc::new(PostgresQueue::open(&world.open().await.unwrap()).await.unwrap())
}

/// Enqueues `jobs` from `tasks` tasks.
async fn fill(queue: &Arc<PostgresQueue>, tasks: usize, jobs: usize) {
    let mut enqueuing = JoinSet::new();
    for _ in 0..tasks {
        let queue = Arc::clone(queue);
        enqueuing.spawn(async move {
            for _ in 0..jobs / tasks {
                queue.enqueue(&job()).await.unwrap();
            }
        });
    }
    enqueuing.join_all().await;
}

/// Takes and completes until nothing comes.
async fn drain(queue: Arc<PostgresQueue>, count: usize, wait: Duration) -> Vec<ExecutionId> {
    let mut done = Vec::new();
    loop {
        let taken = queue.lease(ask(count, wait)).await.unwrap();
        if taken.is_empty() {
            return done;
        }
        let completing = taken.into_iter().map(|leased| {
            assert_eq!(leased.delivery, 1);
            done.push(leased.job.execution_id);
            queue.complete(leased.lease)
        });
        futures::future::try_join_all(completing).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_jobs_are_done_once_each() {
    const JOBS: usize = 5_000;
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::five_thousand_jobs_are_done_once_each");
    let world = World::at(&url);
    let queue = process(&world).await;
    let start = Instant::now();
    fill(&queue, 16, JOBS).await;
    let filled = start.elapsed();
    assert_eq!(queue.depth().await.unwrap(), Depth { ready: 4_992, ..Depth::default() });
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..3 {
        workers.spawn(drain(Arc::clone(&queue), 32, Duration::ZERO));
    }
    let done: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let drained = start.elapsed();
    println!(
        "enqueued {:.0}/s by 16 tasks, drained {:.0}/s by 3 workers",
        done.len() as f64 / filled.as_secs_f64(),
        done.len() as f64 / drained.as_secs_f64()
    );
    assert_eq!(done.len(), 4_992);
    assert_eq!(done.iter().collect::<HashSet<_>>().len(), done.len());
    assert_eq!(queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_jobs() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::two_processes_share_the_jobs");
    let world = World::at(&url);
    let (one, two) = (process(&world).await, process(&world).await);
    let mut workers = JoinSet::new();
    for queue in [&one, &two] {
        for _ in 0..4 {
            workers.spawn(drain(Arc::clone(queue), 1, Duration::from_secs(2)));
        }
    }
    tokio::join!(fill(&one, 4, 400), fill(&two, 4, 400));
    let done: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    assert_eq!(done.len(), 800);
    assert_eq!(done.iter().collect::<HashSet<_>>().len(), 800);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_picks_a_job_up_quickly() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::another_process_picks_a_job_up_quickly");
    let world = World::at(&url);
    let (near, far) = (process(&world).await, process(&world).await);
    let mut working = JoinSet::new();
    working.spawn(async move {
        let (mut waits, mut completing) = (Vec::new(), JoinSet::new());
        while waits.len() < 300 {
            for leased in far.lease(ask(8, Duration::from_secs(5))).await.unwrap() {
                let took = SystemClock.now().duration_since(leased.job.enqueued_at);
                waits.push(took.as_millis());
                let far = Arc::clone(&far);
                completing.spawn(async move { far.complete(leased.lease).await.unwrap() });
            }
        }
        completing.join_all().await;
        waits.sort_unstable();
        waits
    });
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    for _ in 0..300 {
        tick.tick().await;
        let now = SystemClock.now();
        near.enqueue(&Job::new(ExecutionId::generate(), now)).await.unwrap();
    }
    let waits = working.join_all().await.pop().unwrap();
    println!(
        "at 100 jobs/s, from enqueue to lease in another process: p50 {} ms, p99 {} ms",
        waits[150], waits[297]
    );
    // Far above what is measured on a quiet machine, far below what polling once a second would give.
    assert!(waits[297] < 500, "{waits:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claiming_stays_quick_behind_many_jobs() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::claiming_stays_quick_behind_many_jobs");
    let world = World::at(&url);
    let queue = process(&world).await;
    // The plans are made while the table is empty.
    for _ in 0..20 {
        queue.enqueue(&job()).await.unwrap();
        let leased = queue.lease(ask(1, LONG)).await.unwrap().pop().unwrap();
        queue.complete(leased.lease).await.unwrap();
    }
    world
        .run(
            "INSERT INTO {s}.execution_queue (execution_id, due_at, payload) \
             SELECT 'job-' || n, now() + (n % 2) * interval '1 day', \
             '{\"execution_id\":\"job-' || n || '\",\"enqueued_at\":\"2026-01-01T00:00:00Z\"}' \
             FROM generate_series(1, 100000) AS n",
        )
        .await;
    let start = Instant::now();
    for _ in 0..50 {
        let leased = queue.lease(ask(1, LONG)).await.unwrap().pop().unwrap();
        queue.extend(&leased.lease, LONG).await.unwrap();
        queue.complete(leased.lease).await.unwrap();
    }
    let each = start.elapsed() / 50;
    println!("lease, extend and complete behind 100 000 jobs: {each:?}");
    assert!(each < Duration::from_millis(100), "{each:?}");
}
