//! Cancellation across processes.
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{Cluster, Queue, needs_servers};

/// A run of a worker is cancelled at a gateway, and stops within a second.
async fn stops_within_a_second(queue: Queue, test: &str) {
    let servers = needs_servers!(queue, test);
    let cluster = Cluster::new(queue, &servers, "workers: 2").await;
    let (gateway, other) = (cluster.gateway(), cluster.gateway());
    let _worker = cluster.worker();
    let accepted = cluster.submit(&gateway, ["hang".to_owned()]).await;
    cluster.model.wait_for_requests(1).await;
    let id = accepted.first().unwrap();
    let start = Instant::now();
    let (status, body) = other.post(&format!("/v1/executions/{id}/cancel"), &json!({})).await;
    assert_eq!((status, &body["status"]), (200, &json!("cancel_requested")), "{body}");
    // The model's server sees the worker hang up.
    cluster.model.wait_for_abandoned(1).await;
    assert!(start.elapsed() < Duration::from_secs(1), "it took {:?}", start.elapsed());
    let (_, stored) = gateway.get(&format!("/v1/executions/{id}")).await;
    assert_eq!(stored["status"], "cancelled", "{stored}");
    let (status, _) = gateway.post(&format!("/v1/executions/{id}/cancel"), &json!({})).await;
    assert_eq!(status, 409);
    cluster.tally(&accepted).await.judge(&format!("cancelled at another gateway ({queue:?})"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_stops_within_a_second_on_redis() {
    stops_within_a_second(Queue::Redis, "cluster::cancel_redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_stops_within_a_second_on_rabbitmq() {
    stops_within_a_second(Queue::RabbitMq, "cluster::cancel_rabbitmq").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_stops_within_a_second_on_postgres() {
    stops_within_a_second(Queue::Postgres, "cluster::cancel_postgres").await;
}
