//! A database of the release before streams and recovery.
use std::path::Path;

use agent_gateway_core::{
    ErrorKind,
    execution::{Advanced, Fence, Fingerprint},
    id::{ConversationId, ExecutionId, IdempotencyKey},
    message::Message,
    ports::persistence::PersistenceBackend,
};
use agent_gateway_sql::{
    Names,
    schema::{Dialect, migrations},
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use sqlx::{ConnectOptions, Connection, migrate::Migrator, sqlite::SqliteConnectOptions};

use super::{
    raw,
    sample::{at, everyone, finish_saying, turn_in},
};

const ROWS: &[&str] = &[
    "INSERT INTO executions (id, agent_id, status, session_id, idempotency_key, fence, created_at) VALUES \
     ('run-1', 'helper', 'running', 'talk', 'k', 1, '2025-03-01 10:00:00.000000'), \
     ('run-2', 'helper', 'running', 'talk', NULL, 1, '2025-03-01 10:00:00.000000')",
    "INSERT INTO conversations (conversation_id, agent_id, message_count, created_at, updated_at) VALUES \
     ('talk', 'helper', 3, '2025-03-01 10:00:00.000000', '2025-03-01 10:00:00.000000'), \
     ('silence', 'helper', 0, '2025-03-01 10:00:00.000000', '2025-03-01 10:00:00.000000')",
    "INSERT INTO conversation_messages (message_id, conversation_id, sequence, role, content, created_at) VALUES \
     ('talk:1', 'talk', 1, 'user', 'one', '2025-03-01 10:00:00.000000'), \
     ('talk:2', 'talk', 2, 'assistant', 'two', '2025-03-01 10:00:00.000000'), \
     ('talk:3', 'talk', 3, 'user', 'three', '2025-03-01 10:00:00.000000')",
];

/// Makes the schema that had two migrations.
async fn old_database(path: &Path) {
    let all = migrations(&Names::default(), &Dialect::SQLITE);
    let old = all.iter().filter(|migration| migration.version <= 2).cloned().collect();
    let mut old = Migrator::with_migrations(old);
    old.dangerous_set_table_name(Names::default().migrations());
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    old.run_direct(None, &mut connection, false).await.unwrap();
    connection.close().await.unwrap();
    raw::run(path, ROWS).await;
}

#[tokio::test]
async fn a_database_of_the_release_before_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.db");
    old_database(&path).await;
    let store = SqliteBackend::open(SqliteConfig::file(&path)).await.unwrap();
    store.prepare().await.unwrap();
    store.prepare().await.unwrap();
    let (executions, conversations) = (store.executions(), store.conversations());
    let talk = ConversationId::new("talk").unwrap();

    // A key without a request stands for no request that comes now, and is forgotten like any other.
    let keyed = executions.find_by_key(&IdempotencyKey::new("k").unwrap(), None).await.unwrap().unwrap();
    assert_eq!(keyed.idempotency.unwrap().fingerprint, Fingerprint::stored(""));
    assert_eq!(executions.forget_keys(at(0)).await.unwrap(), 1);

    for (name, turns) in [("talk", 2), ("silence", 0)] {
        let id = ConversationId::new(name).unwrap();
        assert_eq!(conversations.get(&id, &everyone()).await.unwrap().unwrap().turn_count, turns, "{name}");
    }
    // What was left unfinished stops no turn, and can still end.
    executions.create(&turn_in(&talk)).await.unwrap();
    assert_eq!(executions.create(&turn_in(&talk)).await.unwrap_err().kind(), ErrorKind::Conflict);
    let end = finish_saying("done", vec![Message::user("four")]);
    let ended = executions.advance(&ExecutionId::new("run-1").unwrap(), Fence(1), &end).await.unwrap();
    assert_eq!(ended, Advanced::Applied);
    let found = conversations.get(&talk, &everyone()).await.unwrap().unwrap();
    assert_eq!((found.message_count, found.turn_count), (4, 3));
}
