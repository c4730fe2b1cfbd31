//! kill -9 under load: what was answered is stored, and nothing is half-written.
use std::{collections::BTreeSet, sync::Arc};

use agent_gateway::{
    core::{
        execution::{Cursor, ExecutionQuery, ExecutionStatus, LogEvent},
        page::PageRequest,
        ports::persistence::PersistenceBackend,
        principal::Principal,
    },
    sqlite::{SqliteBackend, SqliteConfig},
};
use agent_gateway_testkit::model_server::{ModelServer, Reply};
use serde_json::json;
use tokio::task::JoinSet;

use crate::process::{Workspace, client};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_in_the_middle_of_200_requests_loses_nothing_that_was_answered() {
    let model = ModelServer::with(|_| Reply::text("pong")).await;
    let workspace = Workspace::helper();
    let mut server = workspace.serve_with_model(&model.url());
    let (url, client) = (Arc::new(server.url("/v1/agents/helper/invoke")), client());
    let mut requests = JoinSet::new();
    for number in 0..200 {
        let (url, client) = (url.clone(), client.clone());
        requests.spawn(async move {
            let response =
                client.post(&*url).json(&json!({"message": format!("ping {number}")})).send().await.ok()?;
            let body: serde_json::Value = response.json().await.ok()?;
            body["execution_id"].as_str().map(str::to_owned)
        });
    }
    let mut answered = BTreeSet::new();
    while let Some(done) = requests.join_next().await {
        answered.extend(done.unwrap());
        if answered.len() == 60 {
            server.child.kill().unwrap();
        }
    }
    server.child.wait().unwrap();
    assert!((60..200).contains(&answered.len()), "{} of 200 were answered", answered.len());

    let store = SqliteBackend::open(SqliteConfig::file(workspace.database())).await.unwrap();
    store.prepare().await.unwrap();
    let everything = Principal::system().visibility();
    let page = store
        .executions()
        .list(&ExecutionQuery::default(), &everything, PageRequest::first(500))
        .await
        .unwrap();
    let mut completed = BTreeSet::new();
    for execution in page.items {
        let log = store.executions().log(&execution.id, Cursor::START, 100).await.unwrap();
        let ends = matches!(log.last().map(|entry| &entry.event), Some(LogEvent::Finished(_)));
        match execution.status {
            ExecutionStatus::Completed => {
                assert!(ends && log.len() == 2, "half-written: {execution:?} {log:?}");
                assert_eq!(execution.result.unwrap()["raw_text"], "pong");
                completed.insert(execution.id.to_string());
            }
            status => {
                assert!(status == ExecutionStatus::Running && !ends && execution.result.is_none(), "{status}")
            }
        }
    }
    let lost: Vec<_> = answered.difference(&completed).collect();
    assert!(lost.is_empty(), "answered and not stored: {lost:?}");
}
