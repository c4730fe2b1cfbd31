//! What opening and preparing say when something is wrong.
use std::path::Path;

use agent_gateway_core::{ErrorKind, capability::Durability, ports::persistence::PersistenceBackend};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};

use super::raw;

async fn refusal(config: SqliteConfig) -> (ErrorKind, String) {
    let error = match SqliteBackend::open(config).await {
        Ok(store) => store.prepare().await.unwrap_err(),
        Err(error) => error,
    };
    (error.kind(), error.to_string())
}

#[tokio::test]
async fn a_wrong_place_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing").join("gateway.db");
    for (config, words) in [
        (SqliteConfig::file(directory.path()), "is a directory"),
        (SqliteConfig::file(&missing), "directory of the database is not there"),
        (SqliteConfig::memory().table_prefix("no-name"), "may stand in SQL"),
    ] {
        let (kind, message) = refusal(config).await;
        assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
        assert!(message.contains(words), "{message}");
    }
    assert!(!missing.exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.txt");
    let text = "no database at all\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let (kind, message) = refusal(SqliteConfig::file(&path)).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
    assert!(message.contains("no SQLite database"), "{message}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_cannot_be_opened_is_misconfigured() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    std::os::unix::fs::symlink(directory.path().join("missing").join("gateway.db"), &path).unwrap();
    let (kind, message) = refusal(SqliteConfig::file(&path)).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
    assert!(message.contains("cannot be opened"), "{message}");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    store.close().await.unwrap();
    raw::run(&path, &["INSERT INTO agw_migrations VALUES (999, 'later', '2030-01-01', 1, x'00', 0)"]).await;

    let (kind, message) = refusal(SqliteConfig::file(&path)).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
    assert!(message.contains("newer agent-gateway") && message.contains("999"), "{message}");
}

#[tokio::test]
async fn another_programs_table_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("theirs.db");
    raw::run(&path, &["CREATE TABLE executions (victim TEXT)", "INSERT INTO executions VALUES ('x')"]).await;
    let (kind, message) = refusal(SqliteConfig::file(&path)).await;
    assert_eq!(kind, ErrorKind::Misconfigured, "{message}");
    assert!(message.contains("table_prefix"), "{message}");
    assert_eq!(
        raw::texts(&path, "SELECT name FROM sqlite_schema WHERE type = 'table'").await,
        ["executions"]
    );

    let beside = SqliteBackend::open(SqliteConfig::file(&path).table_prefix("gw_")).await.unwrap();
    beside.prepare().await.unwrap();
}

#[tokio::test]
async fn many_processes_prepare_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let open = async |path: &Path| {
        let store = SqliteBackend::open(SqliteConfig::file(path)).await?;
        store.prepare().await?;
        store.ping().await
    };
    let (a, b, c, d) = tokio::join!(open(&path), open(&path), open(&path), open(&path));
    a.and(b).and(c).and(d).unwrap();
}

#[tokio::test]
async fn it_says_what_it_is() {
    let store = SqliteBackend::open(SqliteConfig::memory()).await.unwrap();
    let info = store.info();
    assert_eq!((&*info.name, &*info.location), ("sqlite", ":memory:"));
    assert_eq!(info.durability, Durability::Process);
    assert!(info.version.starts_with("3."), "{}", info.version);
}
