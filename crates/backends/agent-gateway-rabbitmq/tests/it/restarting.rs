//! The broker goes away in the middle of use and comes back.
use std::{collections::HashSet, sync::Arc, time::Duration};

use agent_gateway_core::{
    ErrorKind,
    ports::queue::{Depth, ExecutionQueue, Job, Redelivery},
};
use agent_gateway_rabbitmq::RabbitMqQueue;
use agent_gateway_testkit::{Service, needs_private};
use lapin::options::QueueDeleteOptions;
use tokio::time::{Instant, sleep, timeout};

use super::world::{PATIENCE, World, ask, depth_becomes, job, next};

const SECOND: Redelivery = Redelivery::After(Duration::from_secs(1));

/// Enqueues until the broker has the job.
async fn enqueue(queue: &RabbitMqQueue, job: &Job) {
    let end = Instant::now() + PATIENCE * 2;
    while let Err(error) = queue.enqueue(job).await {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(Instant::now() < end, "the queue should work again: {error:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_in_the_middle_loses_nothing() {
    let mut server =
        needs_private!(Service::RabbitMq, "rabbitmq::a_broker_that_is_killed_in_the_middle_loses_nothing");
    let world = World::new(server.url());
    let queue = world.open().await;
    let mut accepted = HashSet::new();
    let put = async |queue: &Arc<RabbitMqQueue>, accepted: &mut HashSet<_>| {
        let job = job();
        enqueue(queue, &job).await;
        accepted.insert(job.execution_id);
    };
    for _ in 0..30 {
        put(&queue, &mut accepted).await;
    }
    // Some wait for their time, some are leased and some are new.
    for _ in 0..10 {
        queue.release(next(&queue).await.lease, SECOND).await.unwrap();
    }
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(next(&queue).await);
    }
    server.kill().await.unwrap();
    for leased in held {
        let error = queue.complete(leased.lease).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable), "{error:?}");
    }
    server.start_again().await.unwrap();
    for _ in 0..10 {
        put(&queue, &mut accepted).await;
    }
    let mut came = HashSet::new();
    let coming = async {
        while came.len() < accepted.len() {
            for leased in queue.lease(ask(5, PATIENCE)).await.unwrap() {
                came.insert(leased.job.execution_id);
                queue.complete(leased.lease).await.unwrap();
            }
        }
    };
    timeout(PATIENCE, coming).await.expect("every job comes again");
    assert_eq!(came, accepted);
    depth_becomes(&queue, Depth::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delayed_job_outlives_that_its_queue_is_away_when_it_is_due() {
    let mut server = needs_private!(
        Service::RabbitMq,
        "rabbitmq::a_delayed_job_outlives_that_its_queue_is_away_when_it_is_due"
    );
    let world = World::new(server.url());
    let queue = world.open().await;
    let job = job();
    queue.enqueue(&job).await.unwrap();
    queue.release(next(&queue).await.lease, SECOND).await.unwrap();
    queue.close().await.unwrap();
    let (_connection, channel) = world.channel().await;
    channel.queue_delete(world.name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
    assert_eq!(world.messages(".delay.1", 0).await, 0, "the job should become due");

    let queue = world.open().await;
    // A broker that starts tries again at once, another one after some minutes.
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    enqueue(&queue, &super::world::job()).await;
    let mut came = [next(&queue).await, next(&queue).await];
    came.sort_by_key(|leased| leased.job.execution_id != job.execution_id);
    assert_eq!((&came[0].job, came[0].delivery), (&job, 2));
}
