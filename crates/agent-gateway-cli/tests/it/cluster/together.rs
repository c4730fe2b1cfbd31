//! Two gateways and three workers behave as one.
use agent_gateway_testkit::{Service, needs_service};
use serde_json::{Value, json};

use super::{Cluster, Queue, Servers, needs_servers, notes};
use crate::process::{Server, answer, client};

async fn chat(gateway: &Server, session: Option<&str>, message: &str) -> Value {
    let body = json!({"message": message, "session_id": session});
    let (status, body) = gateway.post("/v1/agents/helper/chat", &body).await;
    assert_eq!(status, 200, "{body}");
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_and_three_workers_behave_as_one() {
    let servers = needs_servers!(Queue::Redis, "cluster::together");
    let cluster = Cluster::new(Queue::Redis, &servers, "workers: 4").await;
    // All at once: the schema is made once.
    let (one, two) = (cluster.gateway(), cluster.gateway());
    let workers = [cluster.worker(), cluster.worker(), cluster.worker()];
    let (first, second) = tokio::join!(cluster.submit(&one, notes(60)), cluster.submit(&two, notes(60)));

    // What one accepted the other knows, and can follow to its end.
    for id in first.iter().take(3) {
        let events = client().get(two.url(&format!("/v1/executions/{id}/events"))).send().await.unwrap();
        let text = events.text().await.unwrap_or_default();
        assert!(text.is_empty() || text.contains("done"), "{text}");
        let (status, stored) = two.get(&format!("/v1/executions/{id}")).await;
        assert_eq!((status, &stored["status"]), (200, &json!("completed")), "{stored}");
    }
    // A conversation goes on wherever it is continued.
    let begun = chat(&one, None, "hello").await;
    let session = begun["session_id"].as_str().unwrap();
    let continued = chat(&two, Some(session), "and again").await;
    assert_eq!(continued["turn_count"], 2, "{continued}");
    // A key holds at both.
    let keyed = |gateway: &Server| {
        let body = json!({"message": "plain"});
        client().post(gateway.url("/v1/agents/helper/invoke")).header("Idempotency-Key", "k").json(&body)
    };
    let ((_, at_one), (_, at_two)) = (answer(keyed(&one)).await, answer(keyed(&two)).await);
    assert_eq!(at_one["execution_id"], at_two["execution_id"]);

    let accepted = first.union(&second).cloned().collect();
    cluster.tally(&accepted).await.judge("none (two gateways, three workers, Redis)").is_whole();
    for worker in workers {
        worker.stop().await;
    }
    one.stop().await;
    two.stop().await;
}

/// A pool of one connection makes everybody wait, and loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_one_connection_is_slow_and_loses_nothing() {
    let postgres = needs_service!(Service::Postgres, "cluster::pool");
    let servers = Servers { postgres, queue: String::new() };
    let cluster = Cluster::new(Queue::Postgres, &servers, "workers: 8").await;
    let yaml = std::fs::read_to_string(cluster.workspace.path().join("gateway.yaml")).unwrap();
    let narrow = yaml.replace("pool_size: 4, max_overflow: 4", "pool_size: 1, max_overflow: 0");
    assert_ne!(narrow, yaml);
    cluster.workspace.write("gateway.yaml", &narrow);
    let gateway = cluster.gateway();
    let _worker = cluster.worker();
    let accepted = cluster.submit(&gateway, notes(200)).await;
    assert!(accepted.len() >= 150, "{} of 200 were accepted", accepted.len());
    cluster.tally(&accepted).await.judge("a pool of one connection (Postgres)").is_whole();
}

/// Processes that are alone are told what they lack.
#[tokio::test]
async fn a_worker_without_a_shared_queue_does_not_start() {
    let workspace = crate::process::Workspace::helper();
    for role in ["--worker-only", "--no-workers"] {
        let output = workspace.run(&["serve", role]);
        let said = crate::process::stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("queue.backend") && said.contains("redis"), "{said}");
    }
}
