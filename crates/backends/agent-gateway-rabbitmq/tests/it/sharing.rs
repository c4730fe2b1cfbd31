//! Two handles on one queue, as two processes have them.
use std::{collections::HashSet, time::Duration};

use agent_gateway_core::ports::queue::{Depth, ExecutionQueue, Redelivery};
use agent_gateway_testkit::Service;
use futures::StreamExt;

use super::world::{PATIENCE, World, ask, depth_becomes, job, next};

#[tokio::test]
async fn two_processes_share_jobs_without_overlap() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::two_processes_share_jobs");
    let world = World::new(url);
    let (one, two) = (world.open().await, world.open().await);
    let mut accepted = HashSet::new();
    for _ in 0..40 {
        let job = job();
        one.enqueue(&job).await.unwrap();
        accepted.insert(job.execution_id);
    }
    let mut held = Vec::new();
    for queue in [&one, &two].into_iter().cycle() {
        if held.len() == accepted.len() {
            break;
        }
        let taken = queue.lease(ask(3, PATIENCE)).await.unwrap();
        assert!(!taken.is_empty(), "{} of 40 jobs came", held.len());
        held.extend(taken);
    }
    let different: HashSet<_> = held.iter().map(|leased| leased.job.execution_id.clone()).collect();
    assert_eq!(different, accepted);
    assert_eq!(one.lease(ask(1, Duration::ZERO)).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_job_that_a_busy_process_does_not_want_is_for_the_idle_one() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_busy_process");
    let world = World::new(url);
    let (busy, idle) = (world.open().await, world.open().await);
    busy.enqueue(&job()).await.unwrap();
    let held = next(&busy).await;
    let waiting = job();
    busy.enqueue(&waiting).await.unwrap();
    let taken = next(&idle).await;
    assert_eq!(
        (&taken.job, taken.delivery),
        (&waiting, 1),
        "the busy process holds one job and wants no other"
    );
    // The broker fills the place that a settled job leaves; nobody wants the next one here, so it is passed on.
    let last = job();
    busy.enqueue(&last).await.unwrap();
    busy.complete(held.lease).await.unwrap();
    assert_eq!(next(&idle).await.job, last);
}

#[tokio::test]
async fn a_process_that_closes_gives_back_what_it_holds() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_process_that_closes");
    let world = World::new(url);
    let (one, two) = (world.open().await, world.open().await);
    let jobs = [job(), job(), job()];
    for job in &jobs {
        one.enqueue(job).await.unwrap();
    }
    let held = next(&one).await;
    assert_eq!(held.job, jobs[0]);
    one.close().await.unwrap();
    let mut came = Vec::new();
    while came.len() < jobs.len() {
        for leased in two.lease(ask(3, PATIENCE)).await.unwrap() {
            came.push((leased.job, leased.delivery));
        }
    }
    came.sort_by_key(|(job, _)| job.execution_id.clone());
    // Those that were never leased were never delivered.
    assert_eq!(came, jobs.into_iter().zip([2, 1, 1]).collect::<Vec<_>>());
}

#[tokio::test]
async fn another_process_hears_a_request_to_stop_once() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::another_process_hears");
    let world = World::new(url);
    let (one, two) = (world.open().await, world.open().await);
    let (mut here, mut there) = (one.cancellations(), two.cancellations());
    for _ in 0..3 {
        let id = job().execution_id;
        one.request_cancel(&id).await.unwrap();
        assert_eq!(here.next().await.as_ref(), Some(&id));
        assert_eq!(there.next().await.as_ref(), Some(&id));
    }
}

#[tokio::test]
async fn a_deployment_of_another_name_hears_and_takes_nothing() {
    let url =
        agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::a_deployment_of_another_name");
    let (mine, other) = (World::new(url.clone()), World::new(url));
    let (one, two) = (mine.open().await, other.open().await);
    let mut heard = two.cancellations();
    one.request_cancel(&job().execution_id).await.unwrap();
    one.enqueue(&job()).await.unwrap();
    assert_eq!(two.lease(ask(1, Duration::from_millis(300))).await.unwrap().len(), 0);
    assert!(tokio::time::timeout(Duration::from_millis(100), heard.next()).await.is_err());
}

#[tokio::test]
async fn the_count_of_deliveries_outlives_every_way_back() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::the_count_of_deliveries");
    let world = World::new(url);
    let queue = world.open().await;
    queue.enqueue(&job()).await.unwrap();
    let first = next(&queue).await;
    queue.release(first.lease, Redelivery::After(Duration::from_millis(200))).await.unwrap();
    let second = next(&queue).await;
    queue.release(second.lease, Redelivery::Now).await.unwrap();
    let third = next(&queue).await;
    queue.extend(&third.lease, Duration::from_millis(100)).await.unwrap();
    // The third lease runs out, and the process with the fourth one dies.
    let fourth = next(&queue).await;
    assert_eq!([first.delivery, second.delivery, third.delivery, fourth.delivery], [1, 2, 3, 4]);
    drop(queue);
    let queue = world.open().await;
    let fifth = next(&queue).await;
    assert_eq!(fifth.delivery, 5);
    queue.complete(fifth.lease).await.unwrap();
    depth_becomes(&queue, Depth::default()).await;
}
