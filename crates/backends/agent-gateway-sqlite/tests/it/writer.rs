//! Group commit: many callers, one transaction, and no caller harmed by another.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{Advanced, Cursor, ExecutionStatus, Fence, Fingerprint, Idempotency},
    id::IdempotencyKey,
    ports::persistence::PersistenceBackend,
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use futures::future::join_all;
use tokio::task::JoinSet;

use super::{
    raw,
    sample::{everyone, finish, log, running},
};

fn same_key() -> Idempotency {
    let key = IdempotencyKey::new("same").unwrap();
    Idempotency { key, fingerprint: Fingerprint::of(&serde_json::json!("hello")) }
}

async fn memory() -> Arc<SqliteBackend> {
    let store = SqliteBackend::open(SqliteConfig::memory()).await.unwrap();
    store.prepare().await.unwrap();
    Arc::new(store)
}

/// All of these wait at the same time, so they share transactions; each is answered for itself.
#[tokio::test]
async fn every_caller_of_a_batch_gets_its_own_answer() {
    let store = memory().await;
    let taken = running("taken");
    store.executions().create(&taken).await.unwrap();
    let executions: Vec<_> = (0..300)
        .map(|number| {
            let mut execution = running(&number.to_string());
            match number % 3 {
                0 => execution.id = taken.id.clone(),
                1 => execution.idempotency = Some(same_key()),
                _ => {}
            }
            execution
        })
        .collect();
    let answers = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    let stored = |remainder: usize| {
        let answers = answers.iter().enumerate().filter(|(number, _)| number % 3 == remainder);
        answers.filter(|(_, answer)| answer.is_ok()).count()
    };
    assert_eq!((stored(0), stored(1), stored(2)), (0, 1, 100));
    for (execution, answer) in executions.iter().zip(&answers) {
        match answer {
            Ok(()) => assert!(store.executions().get(&execution.id, &everyone()).await.unwrap().is_some()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
        }
    }
}

/// Commands for one execution that share a transaction happen in the order in which they came.
#[tokio::test]
async fn a_batch_keeps_the_order_of_one_execution() {
    let store = memory().await;
    for _ in 0..20 {
        let execution = running("hello");
        let entries = log([agent_gateway_core::execution::LogEvent::ToolStarted {
            call_id: "call_1".into(),
            name: "search".into(),
        }]);
        let executions = store.executions();
        let end = finish("done");
        let (created, appended, finished, late) = tokio::join!(
            executions.create(&execution),
            executions.append(&execution.id, Fence(1), &entries),
            executions.advance(&execution.id, Fence(1), &end),
            executions.append(&execution.id, Fence(1), &entries),
        );
        created.unwrap();
        assert_eq!(appended.unwrap(), Cursor(1));
        assert_eq!(finished.unwrap(), Advanced::Applied);
        assert_eq!(late.unwrap_err().kind(), ErrorKind::Conflict);
    }
}

/// A statement that fails, here by another program's trigger, fails its own caller and nobody else of its batch.
#[tokio::test]
async fn a_failing_command_harms_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    raw::run(
        &path,
        &["CREATE TRIGGER poison BEFORE INSERT ON executions WHEN new.message = 'poison' \
           BEGIN SELECT raise(ABORT, 'no'); END"],
    )
    .await;
    let executions: Vec<_> =
        (0..50).map(|number| running(if number == 25 { "poison" } else { "fine" })).collect();
    let answers = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    for (execution, answer) in executions.iter().zip(answers) {
        let stored = store.executions().get(&execution.id, &everyone()).await.unwrap();
        assert_eq!(stored.is_some(), execution.message == "fine");
        assert_eq!(answer.is_ok(), execution.message == "fine");
    }
}

/// What was accepted before `close` is stored; what comes later hears that the database is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_stores_what_was_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = Arc::new(SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap());
    store.prepare().await.unwrap();
    let mut writers = JoinSet::new();
    for _ in 0..500 {
        let (store, execution) = (store.clone(), running("hello"));
        writers.spawn(async move { (store.executions().create(&execution).await, execution.id) });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let mut stored = Vec::new();
    while let Some(writer) = writers.join_next().await {
        match writer.unwrap() {
            (Ok(()), id) => stored.push(id.to_string()),
            (Err(error), _) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
    stored.sort();
    assert_eq!(raw::texts(&path, "SELECT id FROM executions ORDER BY id").await, stored);
    assert!(!directory.path().join("gateway.db-wal").exists(), "the log of commits should be moved in");
}

/// Two backends on one file write at the same time, as two processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_share_one_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let mut stores = Vec::new();
    for _ in 0..2 {
        let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
        store.prepare().await.unwrap();
        stores.push(Arc::new(store));
    }
    let mut writers = JoinSet::new();
    for number in 0..200 {
        let (begins, ends) = (stores[number % 2].clone(), stores[(number + 1) % 2].clone());
        writers.spawn(async move {
            let execution = running("hello");
            begins.executions().create(&execution).await.unwrap();
            let ended = ends.executions().advance(&execution.id, Fence(1), &finish("done")).await.unwrap();
            assert_eq!(ended, Advanced::Applied);
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let count = format!("SELECT count(*) FROM executions WHERE status = '{}'", ExecutionStatus::Completed);
    assert_eq!(raw::texts(&path, &count).await, ["200"]);
}
