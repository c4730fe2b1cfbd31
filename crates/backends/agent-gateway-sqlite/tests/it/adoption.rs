//! A database that the reference made.
use std::path::Path;

use agent_gateway_core::{
    ErrorKind,
    agent::Activation,
    execution::{Advanced, Cursor, ExecutionQuery, ExecutionStatus, Fence},
    id::{AgentId, ConversationId, ExecutionId, ScheduleId, UserId},
    message::Message,
    page::PageRequest,
    ports::persistence::{
        ConnectionTransport, ConversationQuery, DeliveryQuery, PersistenceBackend, ScheduleOwner,
    },
};
use agent_gateway_sqlite::{SqliteBackend, SqliteConfig};
use serde_json::json;

use super::{
    raw,
    sample::{at, everyone, finish, finish_saying, running, turn_in},
};

/// Tables as the reference leaves them: other types, JSON `null` for what is absent, instants with and without decimals,
/// messages without a place, a count of its own.
const REFERENCE: &[&str] = &[
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "INSERT INTO alembic_version VALUES ('013')",
    "CREATE TABLE executions (id VARCHAR NOT NULL PRIMARY KEY, agent_id VARCHAR NOT NULL, \
     status VARCHAR DEFAULT 'queued' NOT NULL, message TEXT DEFAULT '' NOT NULL, input JSON, options JSON, result JSON, \
     error TEXT, usage JSON, session_id VARCHAR, schedule_id VARCHAR, schedule_name VARCHAR, started_at DATETIME, \
     completed_at DATETIME, created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, user_id VARCHAR, \
     parent_execution_id VARCHAR(36), root_execution_id VARCHAR(36), delegation_depth INTEGER DEFAULT 0 NOT NULL)",
    "CREATE INDEX ix_executions_agent_id ON executions (agent_id)",
    "INSERT INTO executions VALUES ('old-1', 'helper', 'completed', 'hello', 'null', '{\"async\": false}', \
     '{\"output\": null, \"raw_text\": \"hi\"}', NULL, '{\"input_tokens\": 7, \"output_tokens\": 3, \"cost_usd\": 0.5, \
     \"llm_calls\": 1, \"tool_calls\": 0, \"models_used\": [\"gpt-5\"]}', NULL, NULL, NULL, \
     '2025-03-01 10:00:00.250000', '2025-03-01 10:00:02.000000', '2025-03-01 10:00:00', 'ann', NULL, NULL, 0)",
    "INSERT INTO executions VALUES ('old-2', 'helper', 'queued', 'later', '{\"b\": 1, \"a\": 2}', 'null', 'null', NULL, \
     'null', 's-1', NULL, NULL, NULL, NULL, '2025-03-01 10:00:00.500000', NULL, NULL, NULL, 0)",
    // Nobody ever ended these.
    "INSERT INTO executions (id, agent_id, status, message, session_id, created_at) VALUES \
     ('stale-1', 'helper', 'running', 'stale', 'sess_1', '2025-02-01 10:00:00'), \
     ('stale-2', 'helper', 'running', 'stale', 'sess_1', '2025-02-01 10:00:01')",
    "CREATE TABLE execution_steps (id INTEGER NOT NULL PRIMARY KEY, execution_id VARCHAR NOT NULL, \
     step_type VARCHAR NOT NULL, sequence INTEGER NOT NULL, data JSON, duration_ms INTEGER DEFAULT 0, \
     created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, FOREIGN KEY(execution_id) REFERENCES executions (id))",
    "INSERT INTO execution_steps (execution_id, step_type, sequence, data) VALUES ('old-1', 'llm_call', 0, '{}')",
    "CREATE TABLE schedules (id VARCHAR NOT NULL PRIMARY KEY, agent_id VARCHAR NOT NULL, name VARCHAR NOT NULL, \
     cron_expr VARCHAR NOT NULL, message TEXT NOT NULL, input JSON, enabled BOOLEAN DEFAULT 1, \
     timezone VARCHAR DEFAULT 'UTC', last_run_at DATETIME, next_run_at DATETIME, deleted_at DATETIME, \
     created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    "INSERT INTO schedules VALUES ('helper:daily', 'helper', 'daily', '0 9 * * *', 'go', 'null', 1, 'UTC', NULL, \
     '2025-03-02 09:00:00', NULL, '2025-03-01 10:00:00')",
    "INSERT INTO schedules VALUES ('helper:gone', 'helper', 'gone', '0 9 * * *', 'go', 'null', 1, 'UTC', NULL, NULL, \
     '2025-03-01 11:00:00', '2025-03-01 10:00:00')",
    "CREATE TABLE user_schedules (id VARCHAR NOT NULL PRIMARY KEY, user_id VARCHAR NOT NULL, agent_id VARCHAR NOT NULL, \
     name VARCHAR NOT NULL, cron_expr VARCHAR NOT NULL, message TEXT NOT NULL, input JSON, enabled BOOLEAN, \
     timezone VARCHAR, notify JSON, last_run_at DATETIME, next_run_at DATETIME, \
     created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    "INSERT INTO user_schedules VALUES ('user:ann:helper:mine', 'ann', 'helper', 'mine', '0 8 * * *', 'up', 'null', 0, \
     NULL, NULL, NULL, NULL, '2025-03-01 12:00:00')",
    "CREATE TABLE conversations (conversation_id VARCHAR NOT NULL PRIMARY KEY, agent_id VARCHAR NOT NULL, \
     user_id VARCHAR, title VARCHAR, summary TEXT, message_count INTEGER DEFAULT 0, \
     created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, updated_at DATETIME, ended_at DATETIME)",
    "INSERT INTO conversations VALUES ('sess_1', 'helper', 'ann', NULL, NULL, 100, '2025-03-01 10:00:00', NULL, NULL)",
    "CREATE TABLE conversation_messages (message_id VARCHAR NOT NULL PRIMARY KEY, conversation_id VARCHAR NOT NULL, \
     role VARCHAR NOT NULL, content TEXT NOT NULL, metadata_json JSON DEFAULT '{}', \
     created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL)",
    "INSERT INTO conversation_messages VALUES ('ff', 'sess_1', 'user', 'hello', '{}', '2025-03-01 10:00:01.000000'), \
     ('aa', 'sess_1', 'assistant', 'hi', '{}', '2025-03-01 10:00:01.000000'), \
     ('cc', 'sess_1', 'user', 'more', '{}', '2025-03-01 10:00:02.000000')",
    "CREATE TABLE notification_log (id INTEGER NOT NULL PRIMARY KEY, execution_id VARCHAR NOT NULL, \
     agent_id VARCHAR NOT NULL, event_type VARCHAR NOT NULL, channel VARCHAR NOT NULL, target VARCHAR NOT NULL, \
     status VARCHAR NOT NULL, attempts INTEGER NOT NULL, last_error TEXT, \
     created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL, delivered_at DATETIME)",
    "INSERT INTO notification_log VALUES (41, 'old-1', 'helper', 'execution.completed', 'slack', '#ops', 'pending', 0, \
     NULL, '2025-03-01 10:00:02', NULL)",
    "CREATE TABLE mcp_servers (id VARCHAR NOT NULL PRIMARY KEY, name VARCHAR NOT NULL, transport VARCHAR NOT NULL, \
     command VARCHAR, args JSON, encrypted_env TEXT, url VARCHAR, headers JSON, encrypted_credentials TEXT, \
     enabled BOOLEAN NOT NULL, created_at DATETIME NOT NULL, updated_at DATETIME)",
    "INSERT INTO mcp_servers VALUES ('m-1', 'tools', 'streamable_http', NULL, 'null', NULL, 'https://example.org', \
     'null', NULL, 1, '2025-03-01 10:00:00.000000', NULL)",
];

async fn adopted(path: &Path) -> SqliteBackend {
    raw::run(path, REFERENCE).await;
    let store = SqliteBackend::open(SqliteConfig::file(path)).await.unwrap();
    store.prepare().await.unwrap();
    store.prepare().await.unwrap();
    store
}

#[tokio::test]
async fn its_executions_are_read_and_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent_gateway.db");
    let store = adopted(&path).await;
    let executions = store.executions();
    let id = |text| ExecutionId::new(text).unwrap();

    let old = executions.get(&id("old-1"), &everyone()).await.unwrap().unwrap();
    assert_eq!(old.status, ExecutionStatus::Completed);
    assert_eq!((old.input, old.fence), (None, Fence::NONE));
    assert_eq!(old.result, Some(json!({"output": null, "raw_text": "hi"})));
    let usage = old.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cost_usd, usage.models_used), (7, 0.5, vec!["gpt-5".to_owned()]));
    assert_eq!(old.created_at, "2025-03-01T10:00:00Z".parse().unwrap());
    assert_eq!(old.started_at, Some("2025-03-01T10:00:00.25Z".parse().unwrap()));

    let waiting = executions.get(&id("old-2"), &everyone()).await.unwrap().unwrap();
    assert_eq!(serde_json::to_string(&waiting.input).unwrap(), r#"{"b":1,"a":2}"#);
    assert_eq!((waiting.result, waiting.usage), (None, None));
    let start =
        agent_gateway_core::execution::Transition::Start { fence: Fence(1), instance: None, at: at(0) };
    assert_eq!(executions.advance(&waiting.id, Fence::NONE, &start).await.unwrap(), Advanced::Applied);
    let ended = executions.advance(&waiting.id, Fence(1), &finish("done")).await.unwrap();
    assert_eq!(ended, Advanced::Applied);
    assert_eq!(executions.log(&waiting.id, Cursor::START, 10).await.unwrap().len(), 2);

    executions.create(&running("new")).await.unwrap();
    let mut shown = Vec::new();
    let mut page = PageRequest::first(1);
    loop {
        let found = executions.list(&ExecutionQuery::default(), &everyone(), page).await.unwrap();
        shown.extend(found.items.into_iter().map(|execution| execution.message));
        let Some(next) = found.next else { break };
        page = PageRequest::first(1).after(next);
    }
    assert_eq!(shown, ["new", "later", "hello", "stale", "stale"]);
    assert_eq!(raw::texts(&path, "SELECT count(*) FROM execution_steps").await, ["1"]);
    assert_eq!(raw::texts(&path, "SELECT version_num FROM alembic_version").await, ["013"]);
}

#[tokio::test]
async fn its_conversations_go_on_behind_their_last_message() {
    let directory = tempfile::tempdir().unwrap();
    let store = adopted(&directory.path().join("agent_gateway.db")).await;
    let (conversations, id) = (store.conversations(), ConversationId::new("sess_1").unwrap());
    let messages = conversations.messages(&id, 0, 10).await.unwrap();
    let said: Vec<_> = messages.iter().map(|found| (found.sequence, found.message.clone())).collect();
    assert_eq!(
        said,
        [(1, Message::user("hello")), (2, Message::assistant("hi")), (3, Message::user("more"))]
    );
    let talk = conversations.get(&id, &everyone()).await.unwrap().unwrap();
    assert_eq!((talk.message_count, talk.turn_count), (3, 2));
    assert_eq!(conversations.append(&id, 3, &[Message::assistant("of course")], at(0)).await.unwrap(), 4);
    let page = PageRequest::first(10);
    let list = conversations.list(&ConversationQuery::default(), &everyone(), page).await.unwrap();
    assert_eq!((list.items[0].message_count, list.items[0].updated_at), (4, at(0)));
}

/// What the reference left running stops no turn, and whoever ends it ends it like any other.
#[tokio::test]
async fn its_stale_runs_stop_no_conversation() {
    let directory = tempfile::tempdir().unwrap();
    let store = adopted(&directory.path().join("agent_gateway.db")).await;
    let (executions, id) = (store.executions(), ConversationId::new("sess_1").unwrap());
    let orphans = executions.orphans(at(0), 10).await.unwrap();
    let mut orphans: Vec<&str> = orphans.iter().map(|orphan| orphan.id.as_str()).collect();
    orphans.sort_unstable();
    assert_eq!(orphans, ["old-2", "stale-1", "stale-2"], "they are of a process that is gone");
    executions.create(&turn_in(&id)).await.unwrap();
    assert_eq!(executions.create(&turn_in(&id)).await.unwrap_err().kind(), ErrorKind::Conflict);
    for stale in ["stale-1", "stale-2"] {
        let end = finish_saying("done", vec![Message::user("late"), Message::assistant("well")]);
        let ended = executions.advance(&ExecutionId::new(stale).unwrap(), Fence::NONE, &end).await.unwrap();
        assert_eq!(ended, Advanced::Applied);
    }
    let talk = store.conversations().get(&id, &everyone()).await.unwrap().unwrap();
    assert_eq!((talk.message_count, talk.turn_count), (7, 4));
    assert_eq!(executions.create(&turn_in(&id)).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn its_schedules_fire_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = adopted(&directory.path().join("agent_gateway.db")).await;
    let schedules = store.schedules();
    let found = schedules.list(&everyone(), PageRequest::first(10)).await.unwrap().items;
    let ids: Vec<_> = found.iter().map(|schedule| schedule.id.as_str()).collect();
    assert_eq!(ids, ["helper:daily", "user:ann:helper:mine"]);
    assert_eq!(found[0].owner, ScheduleOwner::Workspace);
    assert_eq!(found[1].owner, ScheduleOwner::User(UserId::new("ann").unwrap()));
    assert_eq!((found[1].activation, found[1].timezone.as_str()), (Activation::Inactive, "UTC"));
    let due = "2025-03-02T09:00:00Z".parse().unwrap();
    assert!(schedules.claim(&found[0].id, due, None).await.unwrap());

    let mut again = found[0].clone();
    again.id = ScheduleId::new("helper:gone").unwrap();
    schedules.create(&again).await.unwrap();
    assert_eq!(schedules.create(&again).await.unwrap_err().kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn the_rest_of_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = adopted(&directory.path().join("agent_gateway.db")).await;
    let servers = store.connections().list().await.unwrap();
    let url = "https://example.org".to_owned();
    assert_eq!(servers[0].transport, ConnectionTransport::StreamableHttp { url });
    // Nobody ever marked its notifications as delivered, so the old ones are shown and not sent again.
    assert_eq!(store.deliveries().claim(at(0), at(9), 10).await.unwrap(), []);
    let page = PageRequest::first(10);
    let log = store.deliveries().list(&DeliveryQuery::default(), &everyone(), page).await.unwrap();
    assert_eq!((log.items[0].id, log.items[0].what.target.as_str()), (41, "#ops"));
    // Tables that this database lacked are there.
    let user = UserId::new("ann").unwrap();
    assert_eq!(store.users().get(&user).await.unwrap(), None);
    assert_eq!(store.users().setup(&user, &AgentId::new("helper").unwrap()).await.unwrap(), None);
}
