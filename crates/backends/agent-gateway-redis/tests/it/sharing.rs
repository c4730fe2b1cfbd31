//! Several processes on one queue.
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::{
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Redelivery},
};
use agent_gateway_testkit::{Service, needs_service};
use futures::StreamExt;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    raw,
    world::{MINUTE, PATIENCE, World, ask, job, next},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_jobs_without_overlap() {
    let world =
        World::new(needs_service!(Service::Redis, "sharing::two_processes_share_the_jobs_without_overlap"));
    let queues = [world.queue().await, world.queue().await];
    for _ in 0..100 {
        queues[0].enqueue(&job()).await.unwrap();
    }
    let mut seen = HashSet::new();
    let (mut a, mut b) = (0, 0);
    while a + b < 100 {
        let (left, right) = tokio::join!(
            queues[0].lease(ask("a", 7, PATIENCE, MINUTE)),
            queues[1].lease(ask("b", 7, PATIENCE, MINUTE)),
        );
        let (left, right) = (left.unwrap(), right.unwrap());
        (a, b) = (a + left.len(), b + right.len());
        for leased in left.into_iter().chain(right) {
            assert_eq!(leased.delivery, 1);
            assert!(seen.insert(leased.job.execution_id), "a job came twice");
        }
    }
    assert!(a > 0 && b > 0, "both got some: {a} and {b}");
    let pending: redis::Value = raw::run(&world.url, &["XPENDING", &world.name, "ag-workers"]);
    assert!(format!("{pending:?}").starts_with("array([int(100)"), "operators see them: {pending:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_jobs_come_once_each_and_leave_nothing() {
    const JOBS: usize = 5_000;
    let world = World::new(needs_service!(
        Service::Redis,
        "sharing::five_thousand_jobs_come_once_each_and_leave_nothing"
    ));
    let done = Arc::new(AtomicUsize::new(0));
    let mut consumers = JoinSet::new();
    for number in 0..3 {
        let (queue, done) = (world.queue().await, done.clone());
        consumers.spawn(async move {
            let worker = format!("worker-{number}");
            let mut mine = Vec::new();
            while done.load(Ordering::Relaxed) < JOBS {
                let taken = queue.lease(ask(&worker, 64, Duration::from_millis(200), MINUTE)).await.unwrap();
                let count = taken.len();
                let settled = taken.into_iter().map(|leased| {
                    assert_eq!(leased.delivery, 1);
                    mine.push(leased.job.execution_id);
                    queue.complete(leased.lease)
                });
                futures::future::try_join_all(settled).await.unwrap();
                done.fetch_add(count, Ordering::Relaxed);
            }
            mine
        });
    }
    let producer = Arc::new(world.queue().await);
    let start = Instant::now();
    let mut producers = JoinSet::new();
    for number in 0..16 {
        let producer = producer.clone();
        producers.spawn(async move {
            let mut sent = Vec::new();
            for _ in (number..JOBS).step_by(16) {
                let job = job();
                producer.enqueue(&job).await.unwrap();
                sent.push(job.execution_id);
            }
            sent
        });
    }
    let sent: HashSet<ExecutionId> = producers.join_all().await.into_iter().flatten().collect();
    let came: Vec<ExecutionId> = consumers.join_all().await.into_iter().flatten().collect();
    let took = start.elapsed();
    println!("{JOBS} jobs in {took:?}: {:.0} jobs/s", JOBS as f64 / took.as_secs_f64());
    assert_eq!((sent.len(), came.len()), (JOBS, JOBS));
    assert_eq!(came.into_iter().collect::<HashSet<_>>(), sent);
    assert_eq!(producer.depth().await.unwrap(), Depth::default());
    // The empty stream with its group is all there is.
    assert_eq!(world.keys(), [world.name.as_str()]);
    assert_eq!(raw::run::<u64>(&world.url, &["XLEN", &world.name]), 0);
}

#[tokio::test]
async fn an_execution_is_queued_once_until_it_is_settled() {
    let world = World::new(needs_service!(
        Service::Redis,
        "sharing::an_execution_is_queued_once_until_it_is_settled"
    ));
    let queue = world.queue().await;
    let job = job();
    for _ in 0..3 {
        queue.enqueue(&job).await.unwrap();
    }
    let leased = next(&queue, MINUTE).await;
    queue.enqueue(&job).await.unwrap();
    assert_eq!(queue.depth().await.unwrap(), Depth { leased: 1, ..Depth::default() });
    queue.complete(leased.lease).await.unwrap();
    queue.enqueue(&job).await.unwrap();
    assert_eq!(next(&queue, MINUTE).await.job, job);
    // An entry that an operator deleted does not keep its execution out.
    raw::run::<u64>(&world.url, &["XTRIM", &world.name, "MAXLEN", "0"]);
    queue.enqueue(&job).await.unwrap();
    let leased = next(&queue, MINUTE).await;
    assert_eq!((leased.job, leased.delivery), (job, 1));
}

#[tokio::test]
async fn a_full_queue_refuses_until_something_is_settled() {
    let world = World::new(needs_service!(
        Service::Redis,
        "sharing::a_full_queue_refuses_until_something_is_settled"
    ));
    let config = world.config().capacity(2.try_into().unwrap());
    let queue = agent_gateway_redis::Redis::open(config).await.unwrap().queue().await.unwrap();
    queue.enqueue(&job()).await.unwrap();
    queue.enqueue(&job()).await.unwrap();
    let full = queue.enqueue(&job()).await.unwrap_err();
    assert_eq!(full.kind(), agent_gateway_core::ErrorKind::RateLimited);
    queue.complete(next(&queue, MINUTE).await.lease).await.unwrap();
    queue.enqueue(&job()).await.unwrap();
}

#[tokio::test]
async fn a_retried_job_and_new_ones_stand_in_one_line() {
    let world =
        World::new(needs_service!(Service::Redis, "sharing::a_retried_job_and_new_ones_stand_in_one_line"));
    let queue = world.queue().await;
    let jobs = [job(), job(), job()];
    queue.enqueue(&jobs[0]).await.unwrap();
    let first = next(&queue, MINUTE).await;
    queue.enqueue(&jobs[1]).await.unwrap();
    // The server counts milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
    queue.release(first.lease, Redelivery::Now).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    queue.enqueue(&jobs[2]).await.unwrap();
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(next(&queue, MINUTE).await.job);
    }
    assert_eq!(came, [jobs[1].clone(), jobs[0].clone(), jobs[2].clone()]);
}

#[tokio::test]
async fn a_request_to_stop_reaches_other_processes() {
    let world =
        World::new(needs_service!(Service::Redis, "sharing::a_request_to_stop_reaches_other_processes"));
    let (here, there) = (world.queue().await, world.queue().await);
    let mut heard = there.cancellations();
    let asked = [ExecutionId::generate(), ExecutionId::generate()];
    here.request_cancel(&asked[0]).await.unwrap();
    raw::run::<u64>(&world.url, &["PUBLISH", &world.key("cancel"), asked[1].as_str()]);
    for id in &asked {
        assert_eq!(timeout(PATIENCE, heard.next()).await.unwrap().as_ref(), Some(id));
    }
    // A handle that is dropped without a word ends its streams too.
    drop(there);
    assert_eq!(timeout(PATIENCE, heard.next()).await.unwrap(), None);
}
