//! SIGTERM while streams, detached and queued runs are under way: what can end ends, the rest goes on after the restart.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_testkit::model_server::{ModelServer, Reply};
use futures::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    process::{Server, Workspace, answer},
    sse::{Connection, KEYED, Seen, last_message, post, read, silent_after, streamed},
};

const INVOKE: &str = "/v1/agents/helper/invoke";

/// Messages that say `slow` are answered in time, others go silent until the gateway has been restarted.
fn script(restarted: Arc<AtomicBool>) -> impl Fn(&Value) -> Reply {
    move |body| match last_message(body).1.as_str() {
        "slow" => Reply::text("in time").delay(Duration::from_millis(300)),
        _ if restarted.load(Ordering::SeqCst) => Reply::text("said anew"),
        _ => silent_after(2, "never said to the end"),
    }
}

async fn submit(server: &Server, options: Value) -> String {
    let body = json!({"message": "go", "options": options});
    let (status, accepted) = answer(post(server, INVOKE, &body)).await;
    assert_eq!((status, &accepted["status"]), (202, &json!("queued")), "{accepted}");
    accepted["execution_id"].as_str().unwrap().to_owned()
}

/// How an execution ended, once it has.
async fn ended(server: &Server, id: &str) -> (String, Value) {
    let events = Connection::open(crate::sse::get(server, &format!("/v1/executions/{id}/events"))).await;
    let mut seen = Seen::default();
    seen.drain(events).await;
    let stored = read(server, &format!("/v1/executions/{id}")).await;
    (stored["status"].as_str().unwrap().to_owned(), stored["result"]["raw_text"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_loses_nothing_that_somebody_may_come_back_for() {
    let restarted = Arc::new(AtomicBool::new(false));
    let model = ModelServer::with(script(restarted.clone())).await;
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", &format!("{KEYED}queue: {{workers: 1, drain_timeout_s: 2}}\n"));
    let server = workspace.serve_with_model(&model.url());

    // One stream that has begun and hangs, for a client and for one that has left.
    let mut hanging = Seen::default();
    let mut connection = Connection::open(post(&server, INVOKE, &streamed("go"))).await;
    hanging.until(&mut connection, |seen| seen.count("token") >= 2).await;
    let mut detached = Seen::default();
    let stays = json!({"message": "go", "options": {"stream": true, "detach": true}});
    let mut left = Connection::open(post(&server, INVOKE, &stays)).await;
    detached.until(&mut left, |seen| seen.count("token") >= 1).await;
    drop(left);
    // One queued run that the worker has begun, and two behind it.
    let mut queued = Vec::new();
    for _ in 0..3 {
        queued.push(submit(&server, json!({"async": true})).await);
    }
    model.wait_for_requests(3).await;
    // A caller who waits for a run that hangs, and a stream that ends in time.
    let mut waiting = JoinSet::new();
    waiting.spawn(post(&server, INVOKE, &json!({"message": "go"})).send());
    model.wait_for_requests(4).await;
    let slow = Connection::open(post(&server, INVOKE, &streamed("slow"))).await;
    let mut in_time = Seen::default();
    model.wait_for_requests(5).await;

    let port = server.port();
    let (_, ()) = tokio::join!(in_time.drain(slow), server.stop());
    assert_eq!((in_time.text().as_str(), in_time.status()), ("in time", "completed"));
    hanging.drain(connection).await;
    assert_eq!(hanging.count("done"), 0, "{hanging:?}");
    // Whoever waited has an answer or a closed connection, not silence.
    let waited = tokio::time::timeout(Duration::from_secs(5), waiting.join_next()).await.unwrap();
    let waited = waited.unwrap().unwrap();

    restarted.store(true, Ordering::SeqCst);
    let server = workspace.serve_with_model_at(port, &model.url());
    hanging.resume(&server).await;
    assert_eq!((hanging.text().as_str(), hanging.status()), ("said anew", "completed"));
    detached.resume(&server).await;
    assert_eq!((detached.text().as_str(), detached.status()), ("said anew", "completed"));
    let ends = join_all(queued.iter().map(|id| ended(&server, id))).await;
    assert!(ends.iter().all(|end| *end == ("completed".to_owned(), json!("said anew"))), "{ends:?}");

    let all = read(&server, "/v1/executions").await;
    let statuses: Vec<&str> =
        all.as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((count("completed"), count("cancelled"), statuses.len()), (6, 1, 7), "{all:#}");
    if let Ok(answer) = waited {
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], "cancelled", "{body}");
    }
}
