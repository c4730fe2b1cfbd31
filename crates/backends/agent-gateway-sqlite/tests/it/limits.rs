//! A full disk: the limit of size stands for it, SQLite answers the same.
use agent_gateway_core::{
    ErrorKind, Retry,
    execution::{Advanced, Cursor, Fence},
    ports::persistence::PersistenceBackend,
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};

use super::{
    raw,
    sample::{everyone, finish, running},
};

#[tokio::test]
async fn a_full_database_refuses_whole_writes_and_works_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path).max_bytes(1024 * 1024)).await.unwrap();
    store.prepare().await.unwrap();
    let begun = running("begun before the disk was full");
    store.executions().create(&begun).await.unwrap();
    let large = "x".repeat(64 * 1024);
    let (mut stored, mut refused) = (1, Vec::new());
    for _ in 0..30 {
        let execution = running(&large);
        match store.executions().create(&execution).await {
            Ok(()) => stored += 1,
            Err(error) => refused.push((execution.id, error)),
        }
    }
    assert!(!refused.is_empty(), "the limit should be reached");
    for (id, error) in refused {
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Later(None)), "{error}");
        assert!(error.message().contains("full"), "{error}");
        assert_eq!(store.executions().get(&id, &everyone()).await.unwrap(), None);
    }
    // An end that does not fit leaves neither its log nor its status behind.
    let end = store.executions().advance(&begun.id, Fence(1), &finish(&large.repeat(8))).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.executions().get(&begun.id, &everyone()).await.unwrap(), Some(begun.clone()));
    assert_eq!(store.executions().log(&begun.id, Cursor::START, 10).await.unwrap(), []);
    // What fits is still stored.
    let end = store.executions().advance(&begun.id, Fence(1), &finish("short")).await;
    assert_eq!(end.unwrap(), Advanced::Applied);
    store.close().await.unwrap();
    assert_eq!(raw::texts(&path, "SELECT count(*) FROM executions").await, [stored.to_string()]);
    assert_eq!(raw::texts(&path, "PRAGMA integrity_check").await, ["ok"]);
}
