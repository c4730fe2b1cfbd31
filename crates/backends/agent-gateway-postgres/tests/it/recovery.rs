//! Lost connections and a server that goes away: everything goes on, and nothing waits for ever.
use std::time::Duration;

use agent_gateway_core::{
    Error, ErrorKind,
    id::ExecutionId,
    ports::{lock::Lock, queue::ExecutionQueue},
};
use agent_gateway_postgres::{Postgres, PostgresConfig, PostgresLock, PostgresQueue};
use agent_gateway_testkit::{Service, needs_private, needs_service};
use futures::{FutureExt, StreamExt, stream::BoxStream};
use tokio::{task::JoinSet, time::Instant};

use super::{
    load::{ask, job, process},
    proxy::Proxy,
    world::World,
};

const PATIENCE: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(120);

/// The world's connections, all of which listen for or work on its schema.
fn named(world: &World) -> World {
    let mut url = world.url.clone();
    url.push_str(if url.contains('?') { "&" } else { "?" });
    url.push_str(&format!("application_name={}", world.schema));
    World::named(url, world.schema.clone())
}

const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE application_name = '{s}' AND pid <> pg_backend_pid()";

/// Asks again and again until the listener hears it: requests that are made while nobody can listen may be missed.
async fn heard(asking: &PostgresQueue, listener: &mut BoxStream<'static, ExecutionId>) -> bool {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let id = ExecutionId::generate();
        if asking.request_cancel(&id).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let next = tokio::time::timeout(Duration::from_millis(300), listener.next()).await;
        if matches!(next, Ok(Some(heard)) if heard == id) {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_are_replaced() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::killed_connections_are_replaced");
    let plain = World::at(&url);
    let world = named(&plain);
    let (one, two) = (process(&world).await, process(&world).await);
    let mut listener = two.cancellations();
    for round in 0..3 {
        let held = job();
        one.enqueue(&held).await.unwrap();
        let leased = two.lease(ask(1, LONG)).await.unwrap().pop().unwrap();
        let mut waiting = two.lease(ask(1, PATIENCE));
        assert!((&mut waiting).now_or_never().is_none());

        plain.run(TERMINATE).await;
        // At once, over connections of which nobody knows yet that they are gone.
        let next = job();
        let (enqueued, extended) = tokio::join!(one.enqueue(&next), two.extend(&leased.lease, LONG));
        enqueued.unwrap();
        extended.unwrap();
        let came = waiting.await.unwrap().pop().unwrap();
        assert_eq!((came.job, came.delivery), (next, 1), "round {round}");
        two.complete(leased.lease).await.unwrap();
        two.complete(came.lease).await.unwrap();
        assert!(heard(&one, &mut listener).await, "the listener does not come back in round {round}");
    }
    assert_eq!(one.depth().await.unwrap(), agent_gateway_core::ports::queue::Depth::default());
}

/// A statement that takes jobs after its connection was given up takes them for nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_are_taken_late_come_back() {
    let url = needs_service!(Service::Postgres, "agent-gateway-postgres::jobs_that_are_taken_late_come_back");
    let world = World::at(&url);
    let proxy = Proxy::before(&url, 0).await;
    let through = World::named(proxy.url.clone(), world.schema.clone());
    let queue = process(&through).await;
    world
        .run(
            "CREATE FUNCTION {s}.doze() RETURNS trigger LANGUAGE plpgsql \
             AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END'; \
             CREATE TRIGGER doze BEFORE UPDATE ON {s}.execution_queue \
             FOR EACH ROW WHEN (NEW.token IS NOT NULL) EXECUTE FUNCTION {s}.doze()",
        )
        .await;
    let job = job();
    queue.enqueue(&job).await.unwrap();
    let taking = queue.clone();
    let mut taker = JoinSet::new();
    taker.spawn(async move { taking.lease(ask(1, LONG)).await });
    let dozes = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                 AND strpos(query, '{s}') > 0 AND pid <> pg_backend_pid()";
    while world.number(dozes).await == 0 {
        tokio::task::yield_now().await;
    }
    let port = proxy.port();
    drop(proxy);
    let _proxy = Proxy::before(&url, port).await;
    // It waits for the one that takes.
    world.run("DROP TRIGGER doze ON {s}.execution_queue").await;
    let mut came = taker.join_next().await.unwrap().unwrap().unwrap_or_default();
    let end = Instant::now() + PATIENCE;
    while came.is_empty() {
        assert!(Instant::now() < end, "the job stays with nobody");
        came = queue.lease(ask(1, LONG)).await.unwrap_or_default();
    }
    assert_eq!((came[0].job.clone(), came[0].delivery), (job, 1));
}

async fn quickly<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(Duration::from_secs(9), call).await.expect("a call takes too long")
}

async fn away<T: std::fmt::Debug>(call: impl Future<Output = Result<T, Error>>) {
    let error = quickly(call).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_server_is_survived() {
    let mut server =
        needs_private!(Service::Postgres, "agent-gateway-postgres::a_restart_of_the_server_is_survived");
    let world = World::at(&server.url());
    let postgres = world.open().await.unwrap();
    let queue = PostgresQueue::open(&postgres).await.unwrap();
    let lock = PostgresLock::new(&postgres);
    let before = job();
    queue.enqueue(&before).await.unwrap();
    let guard = lock.acquire("reload", LONG).await.unwrap().unwrap();
    let mut listener = queue.cancellations();
    let other = PostgresQueue::open(&world.open().await.unwrap()).await.unwrap();

    server.kill().await.unwrap();
    let refused = job();
    tokio::join!(
        away(queue.enqueue(&refused)),
        away(queue.lease(ask(1, LONG))),
        away(queue.depth()),
        away(queue.request_cancel(&before.execution_id)),
        away(lock.acquire("other", LONG)),
        away(postgres.prepare()),
        away(Postgres::open(world.config())),
    );

    server.start_again().await.unwrap();
    let taken = quickly(queue.lease(ask(1, LONG))).await.unwrap().pop().unwrap();
    assert_eq!(taken.job, before);
    quickly(queue.complete(taken.lease)).await.unwrap();
    quickly(lock.renew(&guard, LONG)).await.unwrap();
    assert!(heard(&other, &mut listener).await, "the listener does not come back");
}

#[tokio::test]
async fn a_wrong_password_is_misconfigured_and_never_shown() {
    let server = needs_private!(
        Service::Postgres,
        "agent-gateway-postgres::a_wrong_password_is_misconfigured_and_never_shown"
    );
    let world = World::at(&server.url());
    world.run("ALTER USER postgres PASSWORD 'sesame'").await;
    let rules = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(server.path().join("data/pg_hba.conf"), rules).unwrap();
    world.run("SELECT pg_reload_conf()").await;
    let with = |password: &str| {
        let url = format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", server.port());
        PostgresConfig::parse(&url).unwrap()
    };
    // The server reads its rules a moment later.
    let end = Instant::now() + PATIENCE;
    let error = loop {
        match Postgres::open(with("hunter2")).await {
            Err(error) => break error,
            Ok(_) => assert!(Instant::now() < end, "the server lets everybody in"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(error.kind(), ErrorKind::Misconfigured, "{error:?}");
    let text = format!("{error} {error:?} {:?}", with("hunter2"));
    assert!(text.contains(&format!("127.0.0.1:{}/postgres", server.port())), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let none = PostgresConfig::parse(&server.url()).unwrap();
    assert_eq!(Postgres::open(none).await.unwrap_err().kind(), ErrorKind::Misconfigured);
    Postgres::open(with("sesame")).await.unwrap();
}
