//! Servers that go away under load and come back.
use std::time::Duration;

use agent_gateway_testkit::{Service, needs_private, needs_service, private::Private};
use tokio::time::{Instant, sleep};

use super::{Cluster, Queue, Servers, notes};
use crate::process::Server;

/// Waits until the gateway says that it is ready, or that it is not.
async fn until_ready(gateway: &Server, status: u16) {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let (answered, body) = gateway.get("/readyz").await;
        if answered == status {
            return;
        }
        assert!(Instant::now() < end, "/readyz should answer {status}, it stays {answered}: {body}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Takes `server` away while 400 runs are under way, with requests before, during and after.
async fn a_restart_costs_nothing(cluster: &Cluster, server: &mut Private, (fault, away): (&str, Duration)) {
    let gateway = cluster.gateway();
    let (_one, _two) = (cluster.worker(), cluster.worker());
    let mut accepted = cluster.submit(&gateway, notes(200)).await;
    assert_eq!(accepted.len(), 200);
    cluster.until_ended(20).await;
    server.stop().await.unwrap();
    until_ready(&gateway, 503).await;
    let client = crate::process::client();
    let body = serde_json::json!({"message": "note 0", "options": {"async": true}});
    let refused = client.post(gateway.url("/v1/agents/helper/invoke")).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 503, "{:?}", refused.text().await);
    assert!(refused.headers().contains_key("retry-after"), "{:?}", refused.headers());
    sleep(away).await;
    server.start_again().await.unwrap();
    until_ready(&gateway, 200).await;
    accepted.extend(cluster.submit(&gateway, notes(200)).await);
    let tally = cluster.tally(&accepted).await;
    tally.judge(fault);
    // The one that was refused may have been stored; it is failed then, and nobody was told that it would run.
    assert!(tally.completed >= accepted.len() && tally.failed <= 1, "{tally:?}");
    assert!(accepted.len() >= 390, "only {} of 400 were accepted", accepted.len());
}

const SETTINGS: &str = "workers: 4, visibility_timeout_s: 5";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_redis_costs_nothing() {
    const TEST: &str = "cluster::restart_redis";
    let postgres = needs_service!(Service::Postgres, TEST);
    let mut redis = needs_private!(Service::Redis, TEST);
    let cluster = Cluster::new(Queue::Redis, &Servers { postgres, queue: redis.url() }, SETTINGS).await;
    a_restart_costs_nothing(&cluster, &mut redis, ("restart of Redis under load", Duration::ZERO)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_rabbitmq_costs_nothing() {
    const TEST: &str = "cluster::restart_rabbitmq";
    let postgres = needs_service!(Service::Postgres, TEST);
    let mut rabbitmq = needs_private!(Service::RabbitMq, TEST);
    let cluster = Cluster::new(Queue::RabbitMq, &Servers { postgres, queue: rabbitmq.url() }, SETTINGS).await;
    a_restart_costs_nothing(&cluster, &mut rabbitmq, ("restart of RabbitMQ under load", Duration::ZERO))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_postgres_costs_nothing() {
    const TEST: &str = "cluster::restart_postgres";
    let queue = needs_service!(Service::Redis, TEST);
    let mut postgres = needs_private!(Service::Postgres, TEST);
    let cluster = Cluster::new(Queue::Redis, &Servers { postgres: postgres.url(), queue }, SETTINGS).await;
    a_restart_costs_nothing(
        &cluster,
        &mut postgres,
        ("Postgres away for 40 s under load (queue in Redis)", Duration::from_secs(40)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_only_server_costs_nothing() {
    const TEST: &str = "cluster::restart_only";
    let mut postgres = needs_private!(Service::Postgres, TEST);
    let servers = Servers { postgres: postgres.url(), queue: String::new() };
    let cluster = Cluster::new(Queue::Postgres, &servers, SETTINGS).await;
    a_restart_costs_nothing(
        &cluster,
        &mut postgres,
        ("restart of Postgres under load (queue in it too)", Duration::ZERO),
    )
    .await;
}
