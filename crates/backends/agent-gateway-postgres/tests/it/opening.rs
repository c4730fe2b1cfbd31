//! What opening and preparing say when something is wrong.
use std::time::Duration;

use agent_gateway_core::{
    Error, ErrorKind,
    ports::{lock::Lock, persistence::PersistenceBackend},
};
use agent_gateway_postgres::{Postgres, PostgresBackend, PostgresConfig, PostgresLock};
use agent_gateway_testkit::{Service, needs_service};
use tokio::time::Instant;

use super::world::World;

async fn refusal(config: PostgresConfig) -> Error {
    match Postgres::open(config).await {
        Ok(postgres) => postgres.prepare().await.unwrap_err(),
        Err(error) => error,
    }
}

#[tokio::test]
async fn an_unknown_database_is_named() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::an_unknown_database_is_named");
    let error = refusal(PostgresConfig::parse(&format!("{url}?dbname=agw_is_not_there")).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("no such database") && text.contains("/agw_is_not_there"), "{text}");
}

#[tokio::test]
async fn an_unknown_user_is_misconfigured() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::an_unknown_user_is_misconfigured");
    let error =
        refusal(PostgresConfig::parse(&format!("{url}?user=agw_nobody&password=hunter2")).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = Instant::now();
    let error =
        refusal(PostgresConfig::parse(&format!("postgres://u:hunter2@127.0.0.1:{port}/d")).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let text = format!("{error} {error:?}");
    assert!(text.contains(&format!("127.0.0.1:{port}/d")) && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unavailable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let error = refusal(PostgresConfig::parse(&format!("postgres://127.0.0.1:{port}/d")).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn wrong_names_are_refused() {
    let config = || PostgresConfig::parse("postgres://127.0.0.1:1/d").unwrap();
    for config in [
        config().schema("a;b"),
        config().schema(""),
        config().schema("pg_mine"),
        config().table_prefix("no-name"),
    ] {
        let error = refusal(config).await;
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    }
}

#[tokio::test]
async fn a_schema_may_be_a_word_of_sql() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_schema_may_be_a_word_of_sql");
    let world = World::named(url, "user".to_owned());
    let postgres = world.open().await.unwrap();
    let lock = PostgresLock::new(&postgres);
    assert!(lock.acquire("reload", Duration::from_secs(9)).await.unwrap().is_some());
    PostgresBackend::new(&postgres).ping().await.unwrap();
}

#[tokio::test]
async fn replicas_prepare_at_once() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::replicas_prepare_at_once");
    let world = World::at(&url);
    let (a, b, c) = tokio::join!(world.open(), world.open(), world.open());
    a.and(b).and(c).unwrap();
    let prefixed = Postgres::open(world.config().table_prefix("gw_")).await.unwrap();
    prefixed.prepare().await.unwrap();
    let tables =
        "SELECT count(*) FROM pg_tables WHERE schemaname = '{s}' AND tablename LIKE '%execution_queue'";
    assert_eq!(world.number(tables).await, 2);
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_newer_schema_is_refused");
    let world = World::at(&url);
    world.open().await.unwrap();
    world.run("INSERT INTO {s}.agw_migrations VALUES (999, 'later', now(), true, '', 0)").await;
    let error = refusal(world.config()).await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("newer agent-gateway") && text.contains("999"), "{text}");
    assert!(!text.contains("GRANT"), "{text}");
}

#[tokio::test]
async fn a_missing_right_says_what_to_grant() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_missing_right_says_what_to_grant");
    let world = World::at(&url);
    world.run("CREATE SCHEMA {s}; CREATE ROLE {s}_user LOGIN; GRANT USAGE ON SCHEMA {s} TO {s}_user").await;
    let limited = || {
        let url = format!("{url}?user={}_user", world.schema);
        PostgresConfig::parse(&url).unwrap().schema(&world.schema)
    };
    let error = refusal(limited()).await;
    // Once somebody with the right has prepared it, the limited user needs no more than what its work needs.
    world.open().await.unwrap();
    world.run("GRANT SELECT ON ALL TABLES IN SCHEMA {s} TO {s}_user").await;
    let prepared = Postgres::open(limited()).await.unwrap().prepare().await;
    world.run("DROP OWNED BY {s}_user; DROP ROLE {s}_user").await;
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    assert!(error.to_string().contains("GRANT CREATE"), "{error}");
    prepared.unwrap();
}
