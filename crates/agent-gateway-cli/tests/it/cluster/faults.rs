//! Members of a cluster that die, stop, freeze or are poisoned.
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Cluster, Queue, needs_servers, notes};

/// kill -9 of a worker, twice, in the middle of 500 runs.
async fn a_killed_worker_costs_nothing(queue: Queue, test: &str, name: &str) {
    let servers = needs_servers!(queue, test);
    let cluster = Cluster::new(queue, &servers, "workers: 4, visibility_timeout_s: 5").await;
    let gateway = cluster.gateway();
    let mut workers = vec![cluster.worker(), cluster.worker(), cluster.worker()];
    let killing = async {
        for ended in [100, 250] {
            cluster.until_ended(ended).await;
            workers.remove(0).kill();
            workers.push(cluster.worker());
        }
    };
    let (accepted, ()) = tokio::join!(cluster.submit(&gateway, notes(500)), killing);
    assert_eq!(accepted.len(), 500);
    let tally = cluster.tally(&accepted).await;
    tally.judge(&format!("kill -9 of a worker, twice ({name})")).is_whole();
    assert!(tally.repeated <= 8, "more calls were repeated than were under way: {tally:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_costs_nothing_on_redis() {
    a_killed_worker_costs_nothing(Queue::Redis, "cluster::killed_worker_redis", "Redis").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_costs_nothing_on_rabbitmq() {
    a_killed_worker_costs_nothing(Queue::RabbitMq, "cluster::killed_worker_rabbitmq", "RabbitMQ").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_costs_nothing_on_postgres() {
    a_killed_worker_costs_nothing(Queue::Postgres, "cluster::killed_worker_postgres", "Postgres").await;
}

/// kill -9 of a gateway while it takes requests: what it accepted runs, and what it did not finish accepting does not wait
/// for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_gateway_costs_nothing() {
    let servers = needs_servers!(Queue::Redis, "cluster::killed_gateway");
    let cluster = Cluster::new(Queue::Redis, &servers, "workers: 4, visibility_timeout_s: 5").await;
    let (mut first, second) = (cluster.gateway(), cluster.gateway());
    let (_one, _two) = (cluster.worker(), cluster.worker());
    let pid = first.child.id().to_string();
    let killing = async {
        cluster.until_stored(60).await;
        assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    };
    let (mut accepted, others, ()) =
        tokio::join!(cluster.submit(&first, notes(400)), cluster.submit(&second, notes(100)), killing);
    first.child.wait().unwrap();
    assert_eq!(others.len(), 100);
    assert!((50..400).contains(&accepted.len()), "{} of 400 were accepted", accepted.len());
    accepted.extend(others);
    cluster.tally(&accepted).await.judge("kill -9 of a gateway (Redis)").is_whole();
}

/// A worker that freezes past its lease is overtaken, and cannot write when it wakes up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_freezes_is_overtaken_once() {
    let servers = needs_servers!(Queue::Redis, "cluster::frozen_worker");
    let cluster = Cluster::new(Queue::Redis, &servers, "workers: 4, visibility_timeout_s: 2").await;
    let gateway = cluster.gateway();
    let (frozen, _other) = (cluster.worker(), cluster.worker());
    // Slow calls, so that the frozen worker is in the middle of some.
    let mut accepted = cluster.submit(&gateway, (0..8).map(|number| format!("note 1 {number}"))).await;
    accepted.extend(cluster.submit(&gateway, notes(40)).await);
    cluster.until_ended(1).await;
    frozen.signal("-STOP");
    // Everything is done without it.
    let tally = cluster.tally(&accepted).await;
    frozen.signal("-CONT");
    tally.is_whole();
    // What it does when it wakes up changes nothing.
    sleep(Duration::from_secs(3)).await;
    let after = cluster.tally(&accepted).await;
    after.judge("SIGSTOP of a worker past its lease, then SIGCONT (Redis)").is_whole();
    assert_eq!((after.completed, after.doubled), (tally.completed, 0));
}

/// A call that kills every process that makes it ends as failed, and the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_run_is_given_up() {
    let servers = needs_servers!(Queue::Redis, "cluster::poison");
    let settings = "workers: 1, max_retries: 2, visibility_timeout_s: 2";
    let cluster = Cluster::new(Queue::Redis, &servers, settings).await;
    let gateway = cluster.gateway();
    let mut worker = cluster.worker();
    let mut accepted = cluster.submit(&gateway, ["poison".to_owned()]).await;
    accepted.extend(cluster.submit(&gateway, notes(20)).await);
    let end = Instant::now() + Duration::from_secs(90);
    let store = cluster.store().await;
    let mut restarts = 0;
    while cluster.executions(&store).await.iter().any(|execution| !execution.status.is_final()) {
        assert!(Instant::now() < end, "the poisonous run goes on after {restarts} deaths");
        if worker.has_ended() {
            restarts += 1;
            worker = cluster.worker();
        }
        sleep(Duration::from_millis(100)).await;
    }
    let tally = cluster.tally(&accepted).await;
    tally.judge("a poisonous run (Redis)");
    assert_eq!((tally.completed, tally.failed), (20, 1));
    // The first attempt and two more.
    assert_eq!(cluster.effects().get("poison"), Some(&3));
    let failed =
        cluster.executions(&store).await.into_iter().find(|execution| execution.error.is_some()).unwrap();
    assert!(failed.error.unwrap().contains("interrupted too often"));
}

/// A call that takes far longer than the lease is made once: the lease is kept beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_tool_keeps_its_lease() {
    let servers = needs_servers!(Queue::Redis, "cluster::slow_tool");
    let cluster = Cluster::new(Queue::Redis, &servers, "workers: 2, visibility_timeout_s: 1").await;
    let gateway = cluster.gateway();
    let (_one, _two) = (cluster.worker(), cluster.worker());
    // As 10 minutes are to a lease of 30 seconds.
    let accepted = cluster.submit(&gateway, ["note 20".to_owned()]).await;
    let tally = cluster.tally(&accepted).await;
    tally.judge("a tool 20 times as slow as the lease is long (Redis)").is_whole();
    assert_eq!(tally.repeated, 0);
}

/// A call that must not be made twice, cut off, ends its run with that reason.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_must_not_be_repeated_is_not() {
    let servers = needs_servers!(Queue::Redis, "cluster::never");
    let cluster = Cluster::new(Queue::Redis, &servers, "workers: 1, visibility_timeout_s: 2").await;
    let gateway = cluster.gateway();
    let worker = cluster.worker();
    let accepted = cluster.submit(&gateway, ["pay 60".to_owned()]).await;
    while cluster.effects().is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
    worker.kill();
    let _next = cluster.worker();
    let tally = cluster.tally(&accepted).await;
    tally.judge("kill -9 in a call that says retry: never (Redis)");
    assert_eq!((tally.failed, tally.repeated), (1, 0));
    let store = cluster.store().await;
    let error = cluster.executions(&store).await.remove(0).error.unwrap();
    assert!(error.contains("'pay'"), "{error}");
}

/// A worker that is stopped gives back what it cannot finish in its time, and another goes on from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_worker_gives_its_runs_back() {
    let servers = needs_servers!(Queue::Redis, "cluster::drain");
    let settings = "workers: 4, drain_timeout_s: 1, visibility_timeout_s: 300";
    let cluster = Cluster::new(Queue::Redis, &servers, settings).await;
    let gateway = cluster.gateway();
    let worker = cluster.worker();
    let accepted = cluster.submit(&gateway, (0..4).map(|number| format!("note 6 {number}"))).await;
    while cluster.effects().len() < 2 {
        sleep(Duration::from_millis(50)).await;
    }
    let other = cluster.worker();
    let start = Instant::now();
    worker.stop().await;
    let tally = cluster.tally(&accepted).await;
    tally.judge("SIGTERM of a worker whose runs outlast its time (Redis)").is_whole();
    // Nobody waited for a lease of five minutes.
    assert!(start.elapsed() < Duration::from_secs(60));
    drop(other);
}
