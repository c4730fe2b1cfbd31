//! A database that the reference made.
use agent_gateway_core::{
    ErrorKind,
    agent::Activation,
    execution::{Advanced, Cursor, ExecutionQuery, ExecutionStatus, Fence, Transition},
    id::{AgentId, ConversationId, ExecutionId, ScheduleId, UserId},
    message::Message,
    page::PageRequest,
    ports::persistence::{ConnectionTransport, DeliveryQuery, PersistenceBackend, ScheduleOwner},
};
use agent_gateway_postgres::PostgresBackend;
use agent_gateway_testkit::{Service, needs_service};
use serde_json::json;

use super::{
    sample::{at, everyone, finish, finish_saying, running, turn_in},
    world::World,
};

/// Tables as the reference leaves them: other types, JSON `null` for what is absent, hardly a default, messages without a
/// place, a count of its own.
const REFERENCE: &str = "CREATE SCHEMA {s}; SET search_path = {s};
CREATE TABLE executions (id VARCHAR NOT NULL CONSTRAINT pk_executions PRIMARY KEY, agent_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL, message TEXT NOT NULL, input JSON, options JSON, result JSON, error TEXT, usage JSON,
    session_id VARCHAR, schedule_id VARCHAR, schedule_name VARCHAR, started_at TIMESTAMPTZ, completed_at TIMESTAMPTZ,
    created_at TIMESTAMPTZ DEFAULT now() NOT NULL, user_id VARCHAR, parent_execution_id VARCHAR(36),
    root_execution_id VARCHAR(36), delegation_depth INTEGER NOT NULL);
CREATE INDEX ix_executions_agent_id ON executions (agent_id);
INSERT INTO executions VALUES ('old-1', 'helper', 'completed', 'hello', 'null', '{\"async\": false}',
    '{\"output\": null, \"raw_text\": \"hi\"}', NULL, '{\"input_tokens\": 7, \"output_tokens\": 3, \"cost_usd\": 0.5,
    \"llm_calls\": 1, \"tool_calls\": 0, \"models_used\": [\"gpt-5\"]}', NULL, NULL, NULL,
    '2025-03-01 10:00:00.25Z', '2025-03-01 10:00:02Z', '2025-03-01 10:00:00Z', 'ann', NULL, NULL, 0);
INSERT INTO executions VALUES ('old-2', 'helper', 'queued', 'later', '{\"b\": 1, \"a\": 2}', 'null', 'null', NULL,
    'null', 's-1', NULL, NULL, NULL, NULL, '2025-03-01 10:00:00.5Z', NULL, NULL, NULL, 0);
INSERT INTO executions (id, agent_id, status, message, session_id, created_at, delegation_depth) VALUES
    ('stale-1', 'helper', 'running', 'stale', 'sess_1', '2025-02-01 10:00:00Z', 0),
    ('stale-2', 'helper', 'running', 'stale', 'sess_1', '2025-02-01 10:00:01Z', 0);
CREATE TABLE execution_steps (id SERIAL PRIMARY KEY, execution_id VARCHAR NOT NULL REFERENCES executions (id),
    step_type VARCHAR NOT NULL, sequence INTEGER NOT NULL, data JSON, duration_ms INTEGER, created_at TIMESTAMPTZ NOT NULL);
INSERT INTO execution_steps (execution_id, step_type, sequence, data, created_at)
    VALUES ('old-1', 'llm_call', 0, '{}', now());
CREATE TABLE schedules (id VARCHAR NOT NULL PRIMARY KEY, agent_id VARCHAR NOT NULL, name VARCHAR NOT NULL,
    cron_expr VARCHAR NOT NULL, message TEXT NOT NULL, input JSON, enabled BOOLEAN, timezone VARCHAR,
    last_run_at TIMESTAMPTZ, next_run_at TIMESTAMPTZ, deleted_at TIMESTAMPTZ, created_at TIMESTAMPTZ NOT NULL);
INSERT INTO schedules VALUES
    ('helper:daily', 'helper', 'daily', '0 9 * * *', 'go', 'null', TRUE, 'UTC', NULL, '2025-03-02 09:00:00Z', NULL,
    '2025-03-01 10:00:00Z'),
    ('helper:gone', 'helper', 'gone', '0 9 * * *', 'go', 'null', TRUE, 'UTC', NULL, NULL, '2025-03-01 11:00:00Z',
    '2025-03-01 10:00:00Z');
CREATE TABLE user_schedules (id VARCHAR NOT NULL PRIMARY KEY, user_id VARCHAR NOT NULL, agent_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL, cron_expr VARCHAR NOT NULL, message TEXT NOT NULL, input JSON, enabled BOOLEAN,
    timezone VARCHAR, notify JSON, last_run_at TIMESTAMPTZ, next_run_at TIMESTAMPTZ, created_at TIMESTAMPTZ NOT NULL);
INSERT INTO user_schedules VALUES ('user:ann:helper:mine', 'ann', 'helper', 'mine', '0 8 * * *', 'up', 'null', FALSE,
    NULL, NULL, NULL, NULL, '2025-03-01 12:00:00Z');
CREATE TABLE conversations (conversation_id VARCHAR NOT NULL PRIMARY KEY, agent_id VARCHAR NOT NULL, user_id VARCHAR,
    title VARCHAR, summary TEXT, message_count INTEGER, created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ,
    ended_at TIMESTAMPTZ);
INSERT INTO conversations VALUES ('sess_1', 'helper', 'ann', NULL, NULL, 100, '2025-03-01 10:00:00Z', NULL, NULL);
CREATE TABLE conversation_messages (message_id VARCHAR NOT NULL PRIMARY KEY,
    conversation_id VARCHAR NOT NULL REFERENCES conversations (conversation_id), role VARCHAR NOT NULL,
    content TEXT NOT NULL, metadata_json JSON, created_at TIMESTAMPTZ NOT NULL);
INSERT INTO conversation_messages VALUES ('ff', 'sess_1', 'user', 'hello', '{}', '2025-03-01 10:00:01Z'),
    ('aa', 'sess_1', 'assistant', 'hi', '{}', '2025-03-01 10:00:01Z'),
    ('cc', 'sess_1', 'user', 'more', '{}', '2025-03-01 10:00:02Z');
CREATE TABLE notification_log (id SERIAL PRIMARY KEY, execution_id VARCHAR NOT NULL, agent_id VARCHAR NOT NULL,
    event_type VARCHAR NOT NULL, channel VARCHAR NOT NULL, target VARCHAR NOT NULL, status VARCHAR NOT NULL,
    attempts INTEGER NOT NULL, last_error TEXT, created_at TIMESTAMPTZ NOT NULL, delivered_at TIMESTAMPTZ);
CREATE INDEX ix_notification_log_status ON notification_log (status);
INSERT INTO notification_log VALUES (41, 'old-1', 'helper', 'execution.completed', 'slack', '#ops', 'pending', 0, NULL,
    '2025-03-01 10:00:02Z', NULL);
CREATE TABLE mcp_servers (id VARCHAR NOT NULL PRIMARY KEY, name VARCHAR NOT NULL, transport VARCHAR NOT NULL,
    command VARCHAR, args JSON, encrypted_env TEXT, url VARCHAR, headers JSON, encrypted_credentials TEXT,
    enabled BOOLEAN NOT NULL, created_at TIMESTAMPTZ NOT NULL, updated_at TIMESTAMPTZ);
CREATE UNIQUE INDEX ix_mcp_servers_name ON mcp_servers (name);
INSERT INTO mcp_servers VALUES ('m-1', 'tools', 'streamable_http', NULL, 'null', NULL, 'https://example.org', 'null',
    NULL, TRUE, '2025-03-01 10:00:00Z', NULL)";

async fn adopted(world: &World) -> PostgresBackend {
    world.run(REFERENCE).await;
    let store = PostgresBackend::open(world.config()).await.unwrap();
    store.prepare().await.unwrap();
    store.prepare().await.unwrap();
    store
}

#[tokio::test]
async fn its_executions_are_read_and_go_on() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::its_executions_are_read_and_go_on");
    let world = World::at(&url);
    let store = adopted(&world).await;
    let executions = store.executions();
    let id = |text| ExecutionId::new(text).unwrap();

    let old = executions.get(&id("old-1"), &everyone()).await.unwrap().unwrap();
    assert_eq!(old.status, ExecutionStatus::Completed);
    assert_eq!((old.input, old.fence), (None, Fence::NONE));
    assert_eq!(old.result, Some(json!({"output": null, "raw_text": "hi"})));
    let usage = old.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.cost_usd, usage.models_used), (7, 0.5, vec!["gpt-5".to_owned()]));
    assert_eq!(old.started_at, Some("2025-03-01T10:00:00.25Z".parse().unwrap()));

    let waiting = executions.get(&id("old-2"), &everyone()).await.unwrap().unwrap();
    assert_eq!(serde_json::to_string(&waiting.input).unwrap(), r#"{"b":1,"a":2}"#);
    assert_eq!((waiting.result, waiting.usage), (None, None));
    let start = Transition::Start { fence: Fence(1), instance: None, at: at(0) };
    assert_eq!(executions.advance(&waiting.id, Fence::NONE, &start).await.unwrap(), Advanced::Applied);
    let ended = executions.advance(&waiting.id, Fence(1), &finish("done")).await.unwrap();
    assert_eq!(ended, Advanced::Applied);
    assert_eq!(executions.log(&waiting.id, Cursor::START, 10).await.unwrap().len(), 2);

    let mut new = running("new");
    new.parent_execution_id = Some(id(&"p".repeat(60)));
    executions.create(&new).await.unwrap();
    let page = PageRequest::first(10);
    let found = executions.list(&ExecutionQuery::default(), &everyone(), page).await.unwrap();
    let shown: Vec<_> = found.items.iter().map(|execution| execution.message.as_str()).collect();
    assert_eq!(shown, ["new", "later", "hello", "stale", "stale"]);
    assert_eq!(world.number("SELECT count(*) FROM {s}.execution_steps").await, 1);
    let orphans = executions.orphans(at(0), 10).await.unwrap();
    let orphans: Vec<&str> = orphans.iter().map(|orphan| orphan.id.as_str()).collect();
    assert_eq!(orphans, ["stale-1", "stale-2"], "they are of a process that is gone");
}

#[tokio::test]
async fn its_conversations_go_on_behind_their_last_message() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::its_conversations_go_on_behind_their_last_message"
    );
    let world = World::at(&url);
    let store = adopted(&world).await;
    let (conversations, id) = (store.conversations(), ConversationId::new("sess_1").unwrap());
    let messages = conversations.messages(&id, 0, 10).await.unwrap();
    let said: Vec<_> = messages.iter().map(|found| (found.sequence, found.message.clone())).collect();
    assert_eq!(
        said,
        [(1, Message::user("hello")), (2, Message::assistant("hi")), (3, Message::user("more"))]
    );
    let talk = conversations.get(&id, &everyone()).await.unwrap().unwrap();
    assert_eq!((talk.message_count, talk.turn_count), (3, 2));
    assert_eq!(talk.updated_at, talk.created_at);
    assert_eq!(conversations.append(&id, 3, &[Message::assistant("of course")], at(0)).await.unwrap(), 4);
    // What the reference left running stops no turn, and whoever ends it ends it like any other.
    store.executions().create(&turn_in(&id)).await.unwrap();
    let end = finish_saying("done", vec![Message::user("late"), Message::assistant("well")]);
    let stale = ExecutionId::new("stale-1").unwrap();
    assert_eq!(store.executions().advance(&stale, Fence::NONE, &end).await.unwrap(), Advanced::Applied);
    let talk = conversations.get(&id, &everyone()).await.unwrap().unwrap();
    assert_eq!((talk.message_count, talk.turn_count), (6, 3));
}

#[tokio::test]
async fn the_rest_of_it_is_read() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::the_rest_of_it_is_read");
    let world = World::at(&url);
    let store = adopted(&world).await;
    let schedules = store.schedules();
    let found = schedules.list(&everyone(), PageRequest::first(10)).await.unwrap().items;
    let ids: Vec<_> = found.iter().map(|schedule| schedule.id.as_str()).collect();
    assert_eq!(ids, ["helper:daily", "user:ann:helper:mine"]);
    assert_eq!(found[0].owner, ScheduleOwner::Workspace);
    assert_eq!(found[1].owner, ScheduleOwner::User(UserId::new("ann").unwrap()));
    assert_eq!((found[1].activation, found[1].timezone.as_str()), (Activation::Inactive, "UTC"));
    assert!(schedules.claim(&found[0].id, "2025-03-02T09:00:00Z".parse().unwrap(), None).await.unwrap());
    let mut again = found[0].clone();
    again.id = ScheduleId::new("helper:gone").unwrap();
    schedules.create(&again).await.unwrap();
    assert_eq!(schedules.create(&again).await.unwrap_err().kind(), ErrorKind::AlreadyExists);

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

#[tokio::test]
async fn tables_of_somebody_else_are_left_alone() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::tables_of_somebody_else_are_left_alone");
    let world = World::at(&url);
    world.run("CREATE SCHEMA {s}; CREATE TABLE {s}.executions (id TEXT, prisoner TEXT)").await;
    let store = PostgresBackend::open(world.config()).await.unwrap();
    let error = store.prepare().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misconfigured);
    assert!(error.to_string().contains("not an agent gateway's"), "{error}");
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = '{s}'";
    assert_eq!(world.number(tables).await, 1);
    // Beside them there is place.
    let beside = PostgresBackend::open(world.config().table_prefix("gw_")).await.unwrap();
    beside.prepare().await.unwrap();
    beside.executions().create(&running("hello")).await.unwrap();
}
