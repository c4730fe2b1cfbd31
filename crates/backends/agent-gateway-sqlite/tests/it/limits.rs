//! A full disk: the limit of size stands for it, SQLite answers the same.
use agent_gateway_core::{
    ErrorKind, Retry,
    execution::{Advanced, Cursor, Fence},
    id::{AgentId, ConversationId},
    message::Message,
    ports::persistence::{Conversation, PersistenceBackend},
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};

use super::{
    raw,
    sample::{at, everyone, finish_saying, running, turn_in},
};

#[tokio::test]
async fn a_full_database_refuses_whole_writes_and_works_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    let store = SqliteBackend::open(SqliteConfig::file(&path).max_bytes(1024 * 1024)).await.unwrap();
    store.prepare().await.unwrap();
    let talk = ConversationId::new("talk").unwrap();
    let begun = Conversation::new(talk.clone(), AgentId::new("helper").unwrap(), None, at(0));
    store.conversations().create(&begun).await.unwrap();
    let begun = turn_in(&talk);
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
    // An end that does not fit leaves neither its log nor its status nor what was said behind.
    let said = vec![Message::user("hello"), Message::assistant("hi")];
    let end = finish_saying(&large.repeat(8), said.clone());
    let end = store.executions().advance(&begun.id, Fence(1), &end).await;
    assert_eq!(end.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.conversations().messages(&talk, 0, 10).await.unwrap(), []);
    assert_eq!(store.executions().get(&begun.id, &everyone()).await.unwrap(), Some(begun.clone()));
    assert_eq!(store.executions().log(&begun.id, Cursor::START, 10).await.unwrap(), []);
    // What fits is still stored.
    let end = store.executions().advance(&begun.id, Fence(1), &finish_saying("short", said)).await;
    assert_eq!(end.unwrap(), Advanced::Applied);
    assert_eq!(store.conversations().messages(&talk, 0, 10).await.unwrap().len(), 2);
    store.close().await.unwrap();
    assert_eq!(raw::texts(&path, "SELECT count(*) FROM executions").await, [stored.to_string()]);
    assert_eq!(raw::texts(&path, "PRAGMA integrity_check").await, ["ok"]);
}
