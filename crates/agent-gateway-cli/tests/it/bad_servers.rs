//! Databases and queues that cannot be used stop the start: one sentence, no password, no way around.
use std::time::Duration;

use agent_gateway_testkit::{Service, needs_service};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::Instant;

use crate::process::{Workspace, stderr};

/// Starts on this configuration, and finds what it says about why it does not.
fn refused(configuration: &str, words: &[&str]) {
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", &format!("auth: {{enabled: false}}\n{configuration}\n"));
    let start = Instant::now();
    let output = workspace.run(&["serve", "--port", "0"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{configuration}: {said}");
    assert!(start.elapsed() < Duration::from_secs(20), "{configuration}: {:?}", start.elapsed());
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "{configuration}: {said}");
    for word in words {
        assert!(said.contains(word), "{configuration}: no '{word}' in {said}");
    }
    assert!(!said.contains("secretpw"), "{said}");
}

#[test]
fn what_is_no_server_is_refused() {
    refused("persistence: {url: 'postgres://u:secretpw@127.0.0.1:1/x'}", &["127.0.0.1:1/x", "away"]);
    refused("persistence: {url: 'postgres://u:secretpw@127.0.0.1:no/x'}", &["URL of the database"]);
    refused("persistence: {backend: sqlite, url: 'postgres://u:secretpw@h/x'}", &["SQLite", "postgres"]);
    refused("persistence: {backend: mysql, url: 'mysql://h'}", &["mysql", "known here: postgres, sqlite"]);
    refused("queue: {backend: redis, redis_url: 'redis://:secretpw@127.0.0.1:1/0'}", &["127.0.0.1:1"]);
    refused("queue: {backend: redis, redis_url: 'nonsense'}", &["redis://"]);
    refused("queue: {backend: rabbitmq, rabbitmq_url: 'amqp://u:secretpw@127.0.0.1:1/'}", &["127.0.0.1:1"]);
    refused("queue: {backend: rabbitmq, rabbitmq_url: 'nonsense'}", &["amqp://"]);
    refused("queue: {backend: kafka}", &["kafka", "known here", "rabbitmq"]);
    refused("queue: {backend: postgres}", &["persistence.backend: postgres"]);
}

#[tokio::test]
async fn a_queue_that_outlives_its_executions_is_refused() {
    let url = needs_service!(Service::Redis, "bad_servers::outlives");
    refused(
        &format!("persistence: {{enabled: false}}\nqueue: {{backend: redis, redis_url: '{url}'}}"),
        &["outlives", "persistence.enabled"],
    );
}

#[tokio::test]
async fn a_wrong_database_or_schema_is_refused() {
    let url = needs_service!(Service::Postgres, "bad_servers::postgres");
    let mut other = url::Url::parse(&url).unwrap();
    other.set_path("/no_such_database");
    refused(&format!("persistence: {{url: '{other}'}}"), &["no_such_database", "create it"]);

    // A schema that a later release has made.
    let schema = format!("agwt{}", &crate::cluster::uuid_text()[..12]);
    let settings = format!("persistence: {{url: '{url}', db_schema: {schema}}}");
    let workspace = Workspace::helper();
    workspace.write("gateway.yaml", &format!("auth: {{enabled: false}}\n{settings}\n"));
    workspace.serve(|_| ()).stop().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let mut run = async |text: String| {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    };
    run(format!(
        "INSERT INTO {schema}.agw_migrations (version, description, success, checksum, execution_time) \
         VALUES (9999, 'later', true, '\\x00', 0)"
    ))
    .await;
    refused(&settings, &["newer agent-gateway"]);
    run(format!("DROP SCHEMA {schema} CASCADE")).await;

    // A user without the right to make one.
    run(format!("CREATE ROLE {schema} LOGIN PASSWORD 'secretpw'")).await;
    let mut poor = url::Url::parse(&url).unwrap();
    poor.set_username(&schema).unwrap();
    poor.set_password(Some("secretpw")).unwrap();
    refused(&format!("persistence: {{url: '{poor}', db_schema: {schema}}}"), &["GRANT"]);
    run(format!("DROP ROLE {schema}")).await;
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let rabbitmq = needs_service!(Service::RabbitMq, "bad_servers::rabbitmq");
    let mut wrong = url::Url::parse(&rabbitmq).unwrap();
    wrong.set_password(Some("secretpw")).unwrap();
    refused(&format!("queue: {{backend: rabbitmq, rabbitmq_url: '{wrong}'}}"), &["check user and password"]);
    let redis = needs_service!(Service::Redis, "bad_servers::redis");
    let mut wrong = url::Url::parse(&redis).unwrap();
    wrong.set_password(Some("secretpw")).unwrap();
    refused(&format!("queue: {{backend: redis, redis_url: '{wrong}'}}"), &["user or the password"]);
}
