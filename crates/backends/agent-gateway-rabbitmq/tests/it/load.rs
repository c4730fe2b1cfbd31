//! Many jobs at once: none lost, none twice, nothing left behind.
use std::{collections::HashSet, sync::Arc, time::Duration};

use agent_gateway_core::ports::queue::{Depth, ExecutionQueue};
use agent_gateway_testkit::Service;
use tokio::{task::JoinSet, time::Instant};

use super::world::{World, ask, depth_becomes, job};

const JOBS: usize = 5_000;
const PRODUCERS: usize = 16;
const CONSUMERS: usize = 3;
/// Workers of each consumer.
const WORKERS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_jobs_come_once_each() {
    let url = agent_gateway_testkit::needs_service!(Service::RabbitMq, "rabbitmq::many_jobs_come_once_each");
    let world = World::new(url);
    let start = Instant::now();
    let mut producers = JoinSet::new();
    let source = world.open().await;
    for number in 0..PRODUCERS {
        let source = Arc::clone(&source);
        producers.spawn(async move {
            let mut accepted = Vec::new();
            for _ in (number..JOBS).step_by(PRODUCERS) {
                let job = job();
                source.enqueue(&job).await.unwrap();
                accepted.push(job.execution_id);
            }
            accepted
        });
    }
    let mut consumers = JoinSet::new();
    for _ in 0..CONSUMERS {
        let queue = world.open().await;
        for _ in 0..WORKERS {
            let queue = Arc::clone(&queue);
            consumers.spawn(async move {
                let mut done = Vec::new();
                loop {
                    let taken = queue.lease(ask(1, Duration::from_secs(2))).await.unwrap();
                    if taken.is_empty() {
                        return (done, Instant::now());
                    }
                    for leased in taken {
                        queue.complete(leased.lease).await.unwrap();
                        done.push((leased.job.execution_id, leased.delivery));
                    }
                }
            });
        }
    }
    let accepted: HashSet<_> = producers.join_all().await.into_iter().flatten().collect();
    let produced = start.elapsed();
    let (mut done, mut last) = (Vec::new(), start);
    for (mine, end) in consumers.join_all().await {
        done.extend(mine);
        last = last.max(end);
    }
    let took = last - start - Duration::from_secs(2);
    println!(
        "{JOBS} jobs: accepted after {produced:?}, completed after {took:?}, {:.0} a second",
        JOBS as f64 / took.as_secs_f64()
    );
    let different: HashSet<_> = done.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!((done.len(), different.len()), (JOBS, JOBS), "completed jobs, and different ones among them");
    assert_eq!(different, accepted);
    assert!(done.iter().all(|(_, delivery)| *delivery == 1), "no job was handed out twice");
    depth_becomes(&source, Depth::default()).await;
}
