//! Connections that end, a server that goes away, a pool that is empty.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    ErrorKind, Result,
    execution::{Advanced, Cursor, Execution, ExecutionStatus, Fence, LogEvent},
    ports::persistence::PersistenceBackend,
};
use agent_gateway_postgres::{PostgresBackend, PostgresConfig};
use agent_gateway_testkit::{Service, needs_service};
use futures::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{task::JoinSet, time::Instant};

use super::{
    proxy::{Commit, Proxy},
    sample::{everyone, finish, log, record, running, turn},
    world::World,
};

async fn through(proxy: &Proxy, world: &World) -> PostgresBackend {
    let config = PostgresConfig::parse(&proxy.url).unwrap().schema(&world.schema).pool_size(2);
    let store = PostgresBackend::open(config.max_overflow(0)).await.unwrap();
    store.prepare().await.unwrap();
    store
}

/// One run, with everything that is written for it.
async fn run(store: &PostgresBackend, execution: &Execution) -> Result<()> {
    let executions = store.executions();
    executions.create(execution).await?;
    let entries = log([LogEvent::ModelTurn(turn("first"))]);
    assert_eq!(executions.append(&execution.id, Fence(1), &entries).await?, Cursor(1));
    let ended = executions.advance(&execution.id, Fence(1), &finish("done")).await?;
    assert_eq!(ended, Advanced::Applied);
    Ok(())
}

async fn is_whole(store: &PostgresBackend, execution: &Execution) {
    let found = store.executions().get(&execution.id, &everyone()).await.unwrap().unwrap();
    assert_eq!(found.status, ExecutionStatus::Completed);
    let log = store.executions().log(&execution.id, Cursor::START, 10).await.unwrap();
    assert_eq!(log.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_lost_is_repeated_and_one_without_answer_is_not() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::a_commit_that_is_lost_is_repeated_and_one_without_answer_is_not"
    );
    let world = World::at(&url);
    let proxy = Proxy::before(&url, 0).await;
    let store = through(&proxy, &world).await;
    for (number, commit) in
        [Commit::IsLost, Commit::IsUnanswered, Commit::IsUnanswered].into_iter().enumerate()
    {
        let execution = running("hello");
        let executions = store.executions();
        proxy.next_commit(commit);
        executions.create(&execution).await.unwrap();
        proxy.next_commit(commit);
        let entries = log([LogEvent::ModelTurn(turn("first"))]);
        assert_eq!(executions.append(&execution.id, Fence(1), &entries).await.unwrap(), Cursor(1));
        proxy.next_commit(commit);
        let ended = executions.advance(&execution.id, Fence(1), &finish("done")).await.unwrap();
        assert_eq!(ended, Advanced::Applied);
        proxy.next_commit(commit);
        let record = record();
        store.audit().append(&record).await.unwrap();
        assert_eq!(proxy.cut(), (number + 1) * 4);
        is_whole(&store, &execution).await;
    }
    // What has no key of its own is not stored twice either.
    assert_eq!(world.number("SELECT count(*) FROM {s}.audit_log").await, 3);
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_lose_nothing() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::killed_connections_lose_nothing");
    let world = World::at(&url);
    let named = format!("{url}?application_name={}", world.schema);
    let config = PostgresConfig::parse(&named).unwrap().schema(&world.schema).pool_size(2).max_overflow(0);
    let store = Arc::new(PostgresBackend::open(config).await.unwrap());
    store.prepare().await.unwrap();
    let mut callers = JoinSet::new();
    for _ in 0..20 {
        let store = store.clone();
        callers.spawn(async move {
            for _ in 0..10 {
                let execution = running("hello");
                run(&store, &execution).await.unwrap();
                is_whole(&store, &execution).await;
            }
        });
    }
    let kill = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = '{}'",
        world.schema
    );
    let mut killed = 0;
    while !callers.is_empty() {
        // Faster than writes can be repeated, nobody could write.
        match tokio::time::timeout(Duration::from_millis(400), callers.join_next()).await {
            Ok(Some(caller)) => caller.unwrap(),
            Ok(None) => break,
            Err(_) => killed += world.number(&kill).await,
        }
    }
    world.number(&kill).await;
    assert!(killed > 0);
    run(&store, &running("after")).await.unwrap();
    assert_eq!(world.number("SELECT count(*) FROM {s}.executions").await, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_away_is_found_again() {
    let url =
        needs_service!(Service::Postgres, "agent-gateway-postgres::a_server_that_was_away_is_found_again");
    let world = World::at(&url);
    let proxy = Proxy::before(&url, 0).await;
    let store = through(&proxy, &world).await;
    let before = running("before");
    store.executions().create(&before).await.unwrap();
    let port = proxy.port();
    drop(proxy);
    let start = Instant::now();
    let executions: Vec<_> = (0..50).map(|_| running("meanwhile")).collect();
    let answers = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    let refused = answers.into_iter().map(|answer| answer.unwrap_err().kind());
    assert!(refused.into_iter().all(|kind| kind == ErrorKind::Unavailable));
    assert_eq!(store.ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let _proxy = Proxy::before(&url, port).await;
    store.ping().await.unwrap();
    run(&store, &running("after")).await.unwrap();
    assert!(store.executions().get(&before.id, &everyone()).await.unwrap().is_some());
}

/// A read that has its connection and waits for a table, which `holder` keeps.
async fn reading_a_locked_table(
    world: &World,
    store: &Arc<PostgresBackend>,
    holder: &mut PgConnection,
) -> JoinSet<Result<Option<Execution>>> {
    let lock = AssertSqlSafe(format!("BEGIN; LOCK TABLE {}.executions", world.schema));
    sqlx::raw_sql(lock).execute(holder).await.unwrap();
    let (store, id) = (store.clone(), running("hello").id);
    let mut read = JoinSet::new();
    read.spawn(async move { store.executions().get(&id, &everyone()).await });
    while world.number(WAITING).await == 0 {
        tokio::task::yield_now().await;
    }
    read
}

/// Whoever waits for a lock in this world.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
     AND strpos(replace(query, '\"', ''), 'FROM {s}.executions') > 0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_pool_is_unavailable() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::an_empty_pool_is_unavailable");
    let world = World::at(&url);
    let config = world.config().pool_size(1);
    let store = Arc::new(PostgresBackend::open(config).await.unwrap());
    store.prepare().await.unwrap();
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let mut read = reading_a_locked_table(&world, &store, &mut holder).await;
    let error = store.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no connection to the database came free"), "{error}");
    // Writes have connections of their own.
    let record = record();
    store.audit().append(&record).await.unwrap();
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(read.join_next().await.unwrap().unwrap().unwrap().is_none());
    store.ping().await.unwrap();
}

/// Its connection does not wait for the answer that nobody wants, and the server does not work for it for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_given_up_makes_room_at_once() {
    let url = needs_service!(
        Service::Postgres,
        "agent-gateway-postgres::a_read_that_is_given_up_makes_room_at_once"
    );
    let world = World::at(&url);
    let store = Arc::new(PostgresBackend::open(world.config().pool_size(1)).await.unwrap());
    store.prepare().await.unwrap();
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let mut read = reading_a_locked_table(&world, &store, &mut holder).await;
    read.shutdown().await;
    store.ping().await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while world.number(WAITING).await > 0 {
        assert!(Instant::now() < end, "the server still works for nobody");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A read that the server stopped begins again with more time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_read_gets_more_time() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_slow_read_gets_more_time");
    let world = World::at(&url);
    let store = Arc::new(PostgresBackend::open(world.config().pool_size(1)).await.unwrap());
    store.prepare().await.unwrap();
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let mut read = reading_a_locked_table(&world, &store, &mut holder).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    assert!(read.join_next().await.unwrap().unwrap().unwrap().is_none());
    store.ping().await.unwrap();
}

/// A row that another program keeps is in the way of its own command, and of no other that waited with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_stops_its_own_command() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::a_locked_row_stops_its_own_command");
    let world = World::at(&url);
    let store = PostgresBackend::open(world.config()).await.unwrap();
    store.prepare().await.unwrap();
    let executions: Vec<_> = (0..20).map(|_| running("hello")).collect();
    let created = join_all(executions.iter().map(|execution| store.executions().create(execution))).await;
    created.into_iter().for_each(|created| created.unwrap());
    let mut holder = PgConnection::connect(&url).await.unwrap();
    let lock = AssertSqlSafe(format!(
        "BEGIN; SELECT id FROM {}.executions WHERE id = '{}' FOR UPDATE",
        world.schema, executions[7].id
    ));
    sqlx::raw_sql(lock).execute(&mut holder).await.unwrap();
    let end = finish("done");
    let ends = executions.iter().map(|run| store.executions().advance(&run.id, Fence(1), &end));
    for (number, ended) in join_all(ends).await.into_iter().enumerate() {
        match ended {
            Ok(advanced) => assert_eq!((advanced, number == 7), (Advanced::Applied, false)),
            Err(error) => assert_eq!((error.kind(), number), (ErrorKind::Unavailable, 7), "{error}"),
        }
    }
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    let ended = store.executions().advance(&executions[7].id, Fence(1), &end).await.unwrap();
    assert_eq!(ended, Advanced::Applied);
}
