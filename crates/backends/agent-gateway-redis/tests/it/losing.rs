//! A server that goes away, comes back, and may have lost something.
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::{
    ErrorKind, Retry,
    id::ExecutionId,
    ports::{
        lock::Lock,
        queue::{Depth, ExecutionQueue},
    },
};
use agent_gateway_testkit::{Service, needs_private};
use futures::StreamExt;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    raw,
    world::{MINUTE, PATIENCE, World, ask, eventually, job, next},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_in_the_middle_loses_nothing() {
    let mut server =
        needs_private!(Service::Redis, "losing::a_server_that_restarts_in_the_middle_loses_nothing");
    let world = World::new(server.url());
    let (producer, consumer) = (Arc::new(world.queue().await), Arc::new(world.queue().await));
    let stop = Arc::new(AtomicBool::new(false));
    let accepted = Arc::new(Mutex::new(HashSet::new()));
    // A job may be completed although the answer is lost, so what counts is that it came.
    let came = Arc::new(Mutex::new(HashSet::<ExecutionId>::new()));
    let mut running = JoinSet::new();
    for _ in 0..4 {
        let (queue, stop, accepted) = (producer.clone(), stop.clone(), accepted.clone());
        running.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let job = job();
                eventually(|| queue.enqueue(&job)).await;
                accepted.lock().unwrap().insert(job.execution_id);
            }
        });
    }
    for number in 0..2 {
        let (queue, stop, came) = (consumer.clone(), stop.clone(), came.clone());
        running.spawn(async move {
            let worker = format!("worker-{number}");
            while !stop.load(Ordering::Relaxed) || eventually(|| queue.depth()).await != Depth::default() {
                // Short leases: what was not settled comes again soon.
                let (wait, visibility) = (Duration::from_millis(100), Duration::from_secs(2));
                for leased in eventually(|| queue.lease(ask(&worker, 8, wait, visibility))).await {
                    came.lock().unwrap().insert(leased.job.execution_id);
                    drop(queue.complete(leased.lease).await);
                }
            }
        });
    }
    let reached = async |count: usize| {
        while came.lock().unwrap().len() < count {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, reached(200)).await.unwrap();
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    let before = came.lock().unwrap().len();
    timeout(PATIENCE, reached(before + 200)).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    timeout(PATIENCE * 2, running.join_all()).await.expect("the queue becomes empty");
    assert!(came.lock().unwrap().is_superset(&accepted.lock().unwrap()));
    assert_eq!(world.keys(), [world.name.as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_is_unavailable_soon_and_then_all_goes_on() {
    let mut server = needs_private!(
        Service::Redis,
        "losing::a_server_that_is_away_is_unavailable_soon_and_then_all_goes_on"
    );
    let world = World::new(server.url());
    let queue = world.queue().await;
    let lock = world.redis().await.lock();
    let mut heard = queue.cancellations();
    queue.enqueue(&job()).await.unwrap();
    let held = next(&queue, MINUTE).await;
    let waiting = queue.lease(ask("w", 1, MINUTE, MINUTE));
    let mut waiting = std::pin::pin!(waiting);
    assert!(timeout(Duration::from_millis(100), &mut waiting).await.is_err());

    server.stop().await.unwrap();
    let start = Instant::now();
    let mut errors = vec![waiting.await.map(drop).unwrap_err()];
    errors.push(queue.enqueue(&job()).await.unwrap_err());
    errors.push(queue.extend(&held.lease, MINUTE).await.unwrap_err());
    errors.push(queue.request_cancel(held.lease.execution_id()).await.unwrap_err());
    errors.push(queue.depth().await.map(drop).unwrap_err());
    errors.push(lock.acquire("a", MINUTE).await.map(drop).unwrap_err());
    assert!(start.elapsed() < PATIENCE, "that took {:?}", start.elapsed());
    for error in errors {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)), "{error:?}");
    }

    server.start_again().await.unwrap();
    // The lease of before is still held, and the listener hears again.
    queue.extend(&held.lease, MINUTE).await.unwrap();
    queue.complete(held.lease).await.unwrap();
    lock.acquire("a", MINUTE).await.unwrap().unwrap();
    let id = ExecutionId::generate();
    let asking = async {
        loop {
            queue.request_cancel(&id).await.unwrap();
            sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        heard = timeout(PATIENCE, heard.next()) => assert_eq!(heard.unwrap(), Some(id.clone())),
        () = asking => {}
    }
    queue.enqueue(&job()).await.unwrap();
    next(&queue, MINUTE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_unavailable_and_takes_back_what_it_gave_to_nobody() {
    let server = needs_private!(
        Service::Redis,
        "losing::a_server_that_hangs_is_unavailable_and_takes_back_what_it_gave_to_nobody"
    );
    let world = World::new(server.url());
    let queue = world.queue().await;
    // So that the server has the script, and the lost claim is one question.
    assert!(queue.lease(ask("w", 1, Duration::ZERO, MINUTE)).await.unwrap().is_empty());
    let lost = job();
    queue.enqueue(&lost).await.unwrap();
    // The server answers nobody for a while; then it does what it was asked meanwhile.
    let pid = raw::pid(&world.url);
    raw::signal(&pid, "-STOP");
    let start = Instant::now();
    let error = queue.lease(ask("w", 1, MINUTE, MINUTE)).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "that took {:?}", start.elapsed());
    raw::signal(&pid, "-CONT");
    // Its lease is for a minute, and nobody has it.
    let leased = eventually(|| async {
        let mut taken = queue.lease(ask("w", 1, Duration::from_millis(200), MINUTE)).await?;
        taken.pop().ok_or_else(|| agent_gateway_core::Error::unavailable("not yet"))
    });
    let leased = leased.await;
    assert_eq!((leased.job, leased.delivery), (lost, 1));
}

#[tokio::test]
async fn a_server_that_lost_its_scripts_or_its_data_is_used_again() {
    let server =
        needs_private!(Service::Redis, "losing::a_server_that_lost_its_scripts_or_its_data_is_used_again");
    let world = World::new(server.url());
    let queue = world.queue().await;
    for command in [&["SCRIPT", "FLUSH"][..], &["FLUSHALL"], &["DEL", &world.name]] {
        queue.enqueue(&job()).await.unwrap();
        let lost = next(&queue, MINUTE).await;
        raw::run::<redis::Value>(&world.url, command);
        let job = job();
        queue.enqueue(&job).await.unwrap();
        let leased = next(&queue, MINUTE).await;
        assert_eq!((&leased.job, leased.delivery), (&job, 1), "{command:?}");
        queue.complete(leased.lease).await.unwrap();
        if command[0] != "SCRIPT" {
            let late = queue.complete(lost.lease).await.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::Conflict, "{command:?}");
        }
    }
}

#[tokio::test]
async fn a_group_that_was_destroyed_is_made_again_and_its_leases_are_void() {
    let server = needs_private!(
        Service::Redis,
        "losing::a_group_that_was_destroyed_is_made_again_and_its_leases_are_void"
    );
    let world = World::new(server.url());
    let queue = world.queue().await;
    let job = job();
    queue.enqueue(&job).await.unwrap();
    let void = next(&queue, MINUTE).await;
    raw::run::<u64>(&world.url, &["XGROUP", "DESTROY", &world.name, "ag-workers"]);
    let again = next(&queue, MINUTE).await;
    assert_eq!(again.job, job);
    assert_eq!(queue.complete(void.lease).await.unwrap_err().kind(), ErrorKind::Conflict);
    queue.complete(again.lease).await.unwrap();
    assert_eq!(world.keys(), [world.name.as_str()]);
}
