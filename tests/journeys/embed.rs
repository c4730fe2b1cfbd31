//! Using: invoke, reload, mount, serve.
use std::net::SocketAddr;

use agent_gateway::{Gateway, prelude::*, runtime::Refusal, sqlite::SqliteConfig};
use axum::{Router, routing::get};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::world::{Workspace, no_vars};

async fn gateway(workspace: &Workspace) -> Gateway {
    let builder = Gateway::builder(workspace.path()).use_vars(no_vars()).use_sqlite(SqliteConfig::memory());
    builder.allow_reload().without_auth().build().await.unwrap()
}

#[tokio::test]
async fn an_application_invokes_cancels_and_reloads() {
    let workspace = Workspace::helper();
    let gateway = gateway(&workspace).await;
    assert!(gateway.invoke("helper", "good morning").await.unwrap().text().contains("good morning"));
    assert!(matches!(gateway.invoke("nobody", "hi").await, Err(Refusal::AgentNotFound(_))));
    assert!(matches!(gateway.invoke("not an id", "hi").await, Err(Refusal::AgentNotFound(_))));
    std::fs::create_dir(workspace.path().join("agents/second")).unwrap();
    workspace.write("agents/second/AGENT.md", "You help too.");
    assert_eq!(gateway.reload().await.unwrap().agent_count, 2);
    assert!(gateway.is_agent_enabled("second") && !gateway.is_agent_enabled("third"));
    let ids: Vec<String> = gateway.agents().iter().map(|agent| agent.id.to_string()).collect();
    assert_eq!(
        (ids.join(" "), gateway.skills().len(), gateway.tools().len()),
        ("helper second".to_owned(), 0, 1)
    );
    gateway.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_mounted_gateway_answers_below_its_path_and_says_so() {
    let workspace = Workspace::helper();
    workspace.write("agents/helper/AGENT.md", "---\nexecution_mode: async\n---\nYou help.");
    let gateway = gateway(&workspace).await;
    let app = gateway.mount_to(Router::new().route("/", get(|| async { "mine" })), "/ai").unwrap();
    assert!(gateway.mount_to(Router::new(), "/").is_err());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::task::spawn(async move { axum::serve(listener, app).await });
    let client = client();
    let url = |path: &str| format!("http://{address}{path}");
    assert_eq!(client.get(url("/")).send().await.unwrap().text().await.unwrap(), "mine");
    let request = client.post(url("/ai/v1/agents/helper/invoke")).json(&json!({"message": "hi"}));
    let queued: Value = request.send().await.unwrap().json().await.unwrap();
    let poll = queued["poll_url"].as_str().unwrap();
    assert!(poll.starts_with("/ai/v1/executions/"), "{queued}");
    assert_eq!(client.get(url(poll)).send().await.unwrap().status(), 200);
    server.abort();
}

#[tokio::test]
async fn a_served_gateway_stops_in_order() {
    let workspace = Workspace::helper();
    let gateway = gateway(&workspace).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let (bound, address) = oneshot::channel();
    let serving = tokio::task::spawn({
        let gateway = gateway.clone();
        async move {
            let loopback: SocketAddr = ([127, 0, 0, 1], 0).into();
            gateway
                .run_until(loopback, async { drop(stopped.await) }, |at| assert!(bound.send(at).is_ok()))
                .await
        }
    });
    let address = address.await.unwrap();
    assert_eq!(client().get(format!("http://{address}/readyz")).send().await.unwrap().status(), 200);
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    assert!(matches!(gateway.invoke("helper", "hi").await, Err(Refusal::ShuttingDown)));
    let exposed: SocketAddr = ([0, 0, 0, 0], 0).into();
    assert_eq!(gateway.run(exposed).await.unwrap_err().kind(), ErrorKind::Misconfigured);
}

pub(crate) fn client() -> reqwest::Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}
