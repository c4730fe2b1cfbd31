//! How soon a job is picked up, and what is due while others wait.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::ports::queue::{ExecutionQueue, Redelivery};
use agent_gateway_testkit::{Service, needs_service};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::world::{MINUTE, PATIENCE, World, ask, job, next};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_worker_of_another_process_gets_a_job_at_once() {
    const JOBS: usize = 300;
    let world = World::new(needs_service!(
        Service::Redis,
        "pace::a_waiting_worker_of_another_process_gets_a_job_at_once"
    ));
    let (producer, consumer) = (world.queue().await, world.queue().await);
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let working = tokio::task::JoinSet::from_iter([async move {
        for _ in 0..JOBS {
            let leased = next(&consumer, MINUTE).await;
            sender.send(Instant::now()).unwrap();
            consumer.complete(leased.lease).await.unwrap();
        }
    }]);
    let mut waits = Vec::new();
    for _ in 0..JOBS {
        // So that the worker waits again.
        sleep(Duration::from_millis(3)).await;
        let sent = Instant::now();
        producer.enqueue(&job()).await.unwrap();
        waits.push(timeout(PATIENCE, receiver.recv()).await.unwrap().unwrap() - sent);
    }
    working.join_all().await;
    waits.sort();
    println!("picked up after: p50 {:?}, p99 {:?}", waits[JOBS / 2], waits[JOBS * 99 / 100]);
    // Looking now and then alone would take 250 ms on average.
    assert!(waits[JOBS / 2] < Duration::from_millis(50), "p50 {:?}", waits[JOBS / 2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_comes_to_whoever_waits() {
    let world = World::new(needs_service!(Service::Redis, "pace::what_is_due_comes_to_whoever_waits"));
    let (held, waits) = (world.queue().await, world.queue().await);
    let visibility = Duration::from_millis(700);
    let (delayed, expiring) = (job(), job());
    held.enqueue(&delayed).await.unwrap();
    let first = next(&held, MINUTE).await;
    held.enqueue(&expiring).await.unwrap();
    let start = Instant::now();
    let _expires = next(&held, visibility).await;
    held.release(first.lease, Redelivery::After(Duration::from_millis(300))).await.unwrap();
    let again = next(&waits, MINUTE).await;
    let after = start.elapsed();
    assert_eq!((again.job, again.delivery), (delayed, 2));
    assert!(
        after >= Duration::from_millis(290) && after < visibility,
        "due after 300 ms, came after {after:?}"
    );
    let again = next(&waits, MINUTE).await;
    let after = start.elapsed();
    assert_eq!((again.job, again.delivery), (expiring, 2));
    assert!(
        after >= visibility - Duration::from_millis(10),
        "leased for {visibility:?}, came after {after:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_in_the_middle_of_taking_counts_no_delivery() {
    let world = World::new(needs_service!(
        Service::Redis,
        "pace::dropping_in_the_middle_of_taking_counts_no_delivery"
    ));
    let queue = Arc::new(world.queue().await);
    for _ in 0..20 {
        queue.enqueue(&job()).await.unwrap();
    }
    for micros in 0..100 {
        let taking = queue.lease(ask("w", 20, PATIENCE, MINUTE));
        if let Ok(taken) = timeout(Duration::from_micros(micros * 10), taking).await {
            for leased in taken.unwrap() {
                assert_eq!(leased.delivery, 1, "after {micros} drops");
                queue.complete(leased.lease).await.unwrap();
                queue.enqueue(&job()).await.unwrap();
            }
        }
    }
    let mut left = 20;
    while left > 0 {
        for leased in queue.lease(ask("w", 20, PATIENCE, MINUTE)).await.unwrap() {
            assert_eq!(leased.delivery, 1);
            left -= 1;
        }
    }
}

#[tokio::test]
async fn a_request_larger_than_any_claim_and_endless_times_work() {
    let world = World::new(needs_service!(
        Service::Redis,
        "pace::a_request_larger_than_any_claim_and_endless_times_work"
    ));
    let queue = world.queue().await;
    queue.enqueue(&job()).await.unwrap();
    let mut taken = queue.lease(ask("w", usize::MAX, Duration::MAX, Duration::MAX)).await.unwrap();
    let leased = taken.pop().unwrap();
    queue.extend(&leased.lease, Duration::MAX).await.unwrap();
    queue.extend(&leased.lease, MINUTE).await.unwrap();
    queue.complete(leased.lease).await.unwrap();
    assert!(queue.lease(ask("w", 0, Duration::MAX, MINUTE)).await.unwrap().is_empty());
}
