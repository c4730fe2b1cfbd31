//! The connection breaks in the middle of use.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use agent_gateway_core::{
    ErrorKind, Retry,
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Redelivery},
};
use agent_gateway_rabbitmq::RabbitMqQueue;
use agent_gateway_testkit::Service;
use futures::StreamExt;
use lapin::options::QueueDeleteOptions;
use tokio::{task::JoinSet, time::Instant};

use super::{
    relay::Relay,
    world::{LONG, PATIENCE, World, ask, depth_becomes, job, next},
};

/// Calls until the queue answers again.
async fn back(queue: &RabbitMqQueue) {
    let end = Instant::now() + PATIENCE;
    while let Err(error) = queue.depth().await {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(Instant::now() < end, "the connection should be restored: {error:?}");
    }
}

#[tokio::test]
async fn a_broken_connection_voids_its_leases_and_the_job_comes_again() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_broken_connection");
    let world = World::new(url);
    let relay = Relay::before(&world.url).await;
    let (cut, safe) = (world.through(&relay.url).await, world.open().await);
    let job = job();
    cut.enqueue(&job).await.unwrap();
    let lost = next(&cut).await;
    relay.cut();
    let again = next(&safe).await;
    assert_eq!((&again.job, again.delivery), (&job, 2), "the broker hands the job to another");
    let error = cut.extend(&lost.lease, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    relay.mend();
    back(&cut).await;
    let error = cut.complete(lost.lease).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    safe.complete(again.lease).await.unwrap();
    depth_becomes(&cut, Depth::default()).await;
}

#[tokio::test]
async fn a_process_that_falls_silent_loses_its_jobs_and_cannot_extend_them() {
    let url =
        agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_process_that_falls_silent");
    let world = World::new(url);
    let relay = Relay::before(&world.url).await;
    let silent = world.through(&format!("{}?heartbeat=1", relay.url)).await;
    let safe = world.open().await;
    let job = job();
    silent.enqueue(&job).await.unwrap();
    let lost = next(&silent).await;
    silent.extend(&lost.lease, LONG).await.unwrap();
    relay.fall_silent();
    let again = next(&safe).await;
    assert_eq!((&again.job, again.delivery), (&job, 2), "the broker misses the heartbeats");
    let error = silent.extend(&lost.lease, LONG).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable), "{error:?}");
    relay.mend();
    back(&silent).await;
    let error = silent.complete(lost.lease).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    safe.complete(again.lease).await.unwrap();
}

#[tokio::test]
async fn while_the_broker_is_away_calls_say_so_soon_and_afterwards_all_goes_on() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::while_the_broker_is_away");
    let world = World::new(url);
    let relay = Relay::before(&world.url).await;
    let (cut, safe) = (world.through(&relay.url).await, world.open().await);
    let mut heard = cut.cancellations();
    relay.cut();
    let start = Instant::now();
    for error in [
        cut.enqueue(&job()).await.unwrap_err(),
        cut.lease(ask(1, LONG)).await.map(drop).unwrap_err(),
        cut.request_cancel(&job().execution_id).await.unwrap_err(),
        cut.depth().await.map(drop).unwrap_err(),
        cut.prepare().await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(matches!(error.retry(), Retry::Later(_)), "{error:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(15), "five calls took {:?}", start.elapsed());

    relay.mend();
    back(&cut).await;
    let id = job().execution_id;
    safe.request_cancel(&id).await.unwrap();
    assert_eq!(tokio::time::timeout(PATIENCE, heard.next()).await.unwrap(), Some(id));
    let job = job();
    safe.enqueue(&job).await.unwrap();
    let leased = next(&cut).await;
    assert_eq!((&leased.job, leased.delivery), (&job, 1));
    cut.complete(leased.lease).await.unwrap();
}

#[tokio::test]
async fn a_waiting_lease_outlasts_a_short_break() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_waiting_lease_outlasts");
    let world = World::new(url);
    let relay = Relay::before(&world.url).await;
    let (cut, safe) = (world.through(&relay.url).await, world.open().await);
    let job = job();
    let breaking = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        relay.mend();
        safe.enqueue(&job).await.unwrap();
    };
    let (taken, ()) = tokio::join!(cut.lease(ask(1, PATIENCE)), breaking);
    let came: Vec<_> = taken.unwrap().into_iter().map(|leased| leased.job).collect();
    assert_eq!(came, [job]);
}

#[tokio::test]
async fn a_deleted_queue_is_made_again() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_deleted_queue");
    let world = World::new(url);
    let queue = world.open().await;
    // Nobody consumes, so nothing tells this process that the queue goes.
    let (_connection, channel) = world.channel().await;
    let name = world.name.as_str();
    channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
    let error = queue.enqueue(&job()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "a job that nobody keeps is not accepted: {error:?}");
    let end = Instant::now() + PATIENCE;
    let job = job();
    while let Err(error) = queue.enqueue(&job).await {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(Instant::now() < end, "the queue should be made again: {error:?}");
    }
    assert_eq!(next(&queue).await.job, job);
}

/// Jobs that a worker has finished, and how often each was handed out.
#[derive(Debug, Default)]
struct Seen {
    completed: HashSet<ExecutionId>,
    handed_out: HashMap<ExecutionId, usize>,
    unsettled: HashMap<ExecutionId, usize>,
    /// Settlements whose answer was lost: the job may be gone, or it comes again.
    doubtful: HashMap<ExecutionId, usize>,
    after_completion: usize,
    at_work: usize,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_connection_is_cut_again_and_again() {
    const JOBS: usize = 1_000;
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::nothing_is_lost");
    let world = World::new(url);
    let relay = Arc::new(Relay::before(&world.url).await);
    let (cut, safe) = (world.through(&relay.url).await, world.open().await);
    let seen = Arc::new(std::sync::Mutex::new(Seen::default()));
    let mut accepted = HashSet::new();
    let mut workers = JoinSet::new();
    for _ in 0..6 {
        let (queue, seen) = (Arc::clone(&cut), Arc::clone(&seen));
        workers.spawn(async move { work(&queue, &seen).await });
    }
    let (blinking, watched) = (Arc::clone(&relay), Arc::clone(&seen));
    let breaks = async move {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            // The break must meet a worker at its job.
            while watched.lock().unwrap().at_work == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            blinking.mend();
        }
    };
    let producing = async {
        for _ in 0..JOBS {
            let job = job();
            safe.enqueue(&job).await.unwrap();
            accepted.insert(job.execution_id);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::join!(breaks, producing);
    workers.join_all().await;
    depth_becomes(&safe, Depth::default()).await;
    let seen = seen.lock().unwrap();
    for id in &accepted {
        let count = |times: &HashMap<ExecutionId, usize>| times.get(id).copied().unwrap_or(0);
        let (times, unsettled, doubtful) =
            (count(&seen.handed_out), count(&seen.unsettled), count(&seen.doubtful));
        let completed = usize::from(seen.completed.contains(id));
        assert!(completed + doubtful > 0, "{id} was lost");
        assert_eq!(times, unsettled + doubtful + completed, "{id} came again without reason");
    }
    assert_eq!(seen.after_completion, 0, "no completed job came again");
    let again = seen.handed_out.values().filter(|times| **times > 1).count();
    println!("{JOBS} jobs, {again} came again after a break, {} with a lost answer", seen.doubtful.len());
    assert!(again > 0, "a break should have met a job at work");
}

/// Works until nothing comes any more.
async fn work(queue: &RabbitMqQueue, seen: &std::sync::Mutex<Seen>) {
    loop {
        let taken = match queue.lease(ask(1, Duration::from_secs(3))).await {
            Ok(taken) => taken,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                continue;
            }
        };
        if taken.is_empty() {
            return;
        }
        for leased in taken {
            let id = leased.job.execution_id;
            {
                let mut seen = seen.lock().unwrap();
                seen.at_work += 1;
                *seen.handed_out.entry(id.clone()).or_default() += 1;
                if seen.completed.contains(&id) {
                    seen.after_completion += 1;
                }
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
            let settled = queue.complete(leased.lease).await;
            let mut seen = seen.lock().unwrap();
            seen.at_work -= 1;
            match settled {
                Ok(()) => {
                    seen.completed.insert(id);
                }
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    *seen.unsettled.entry(id).or_default() += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
                    *seen.doubtful.entry(id).or_default() += 1;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_release_through_a_broken_connection_loses_nothing() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_release_through");
    let world = World::new(url);
    let relay = Relay::before(&world.url).await;
    let (cut, safe) = (world.through(&relay.url).await, world.open().await);
    let job = job();
    cut.enqueue(&job).await.unwrap();
    let leased = next(&cut).await;
    relay.cut();
    let error = cut.release(leased.lease, Redelivery::Dead("away".to_owned())).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable), "{error:?}");
    let again = next(&safe).await;
    assert_eq!((&again.job, again.delivery), (&job, 2));
    safe.complete(again.lease).await.unwrap();
    depth_becomes(&safe, Depth::default()).await;
}
