//! What is in the stream: strangers' entries, dead jobs, what operators see.
use std::time::Duration;

use agent_gateway_core::ports::queue::{Depth, ExecutionQueue, Redelivery};
use agent_gateway_testkit::{Service, needs_service};
use redis::streams::{StreamPendingCountReply, StreamRangeReply};

use super::{
    raw,
    world::{MINUTE, PATIENCE, World, ask, job, next},
};

fn dead(world: &World) -> Vec<(String, String)> {
    let found: StreamRangeReply = raw::run(&world.url, &["XRANGE", &world.key("dead"), "-", "+"]);
    found
        .ids
        .iter()
        .map(|entry| (entry.get("reason").unwrap(), entry.get("job").unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn entries_that_are_no_jobs_go_to_the_dead_ones_with_a_reason() {
    let world = World::new(needs_service!(
        Service::Redis,
        "stream::entries_that_are_no_jobs_go_to_the_dead_ones_with_a_reason"
    ));
    let queue = world.queue().await;
    for words in [&["job", "{"][..], &["nothing", "of ours"], &["job", "{\"execution_id\":7}"]] {
        let words: Vec<_> = ["XADD", &world.name, "*"].iter().chain(words).copied().collect();
        raw::run::<String>(&world.url, &words);
    }
    let good = job();
    queue.enqueue(&good).await.unwrap();
    // Taken one by one, the rubbish is in the way of the job, and does not come back.
    let leased = next(&queue, MINUTE).await;
    assert_eq!((&leased.job, leased.delivery), (&good, 1));
    let dead = dead(&world);
    assert_eq!(dead.len(), 3);
    assert!(dead[0].0.contains("no job") && dead[0].1 == "{", "{dead:?}");
    assert!(dead[1].0.contains("no field `job`"), "{dead:?}");
    assert_eq!(queue.depth().await.unwrap(), Depth { leased: 1, dead: 3, ..Depth::default() });
    queue.complete(leased.lease).await.unwrap();
    assert_eq!(raw::run::<u64>(&world.url, &["XLEN", &world.name]), 0);
}

#[tokio::test]
async fn a_job_that_another_program_added_is_done_like_any_other() {
    let world = World::new(needs_service!(
        Service::Redis,
        "stream::a_job_that_another_program_added_is_done_like_any_other"
    ));
    let queue = world.queue().await;
    let theirs = job();
    let written = format!(
        "{{\"execution_id\":\"{}\",\"agent_id\":\"a\",\"message\":\"m\",\"enqueued_at\":\"{}\",\"retry_count\":0}}",
        theirs.execution_id, theirs.enqueued_at
    );
    let (came, ()) = tokio::join!(queue.lease(ask("w", 1, PATIENCE, MINUTE)), async {
        // Nobody rings for it: it is found at the next look.
        raw::run::<String>(&world.url, &["XADD", &world.name, "*", "job", &written]);
    });
    let leased = came.unwrap().pop().unwrap();
    assert_eq!(leased.job, theirs);
    queue.complete(leased.lease).await.unwrap();
    assert_eq!(world.keys(), [world.name.as_str()]);
}

#[tokio::test]
async fn operators_see_who_has_a_job_and_how_often_it_came() {
    let world = World::new(needs_service!(
        Service::Redis,
        "stream::operators_see_who_has_a_job_and_how_often_it_came"
    ));
    let queue = world.queue().await;
    queue.enqueue(&job()).await.unwrap();
    let pending = || {
        let words = ["XPENDING", &world.name, "ag-workers", "-", "+", "10"];
        let found: StreamPendingCountReply = raw::run(&world.url, &words);
        found.ids.into_iter().map(|item| (item.consumer, item.times_delivered)).collect::<Vec<_>>()
    };
    for (delivery, worker) in [(1, "a"), (2, "b"), (3, "c")] {
        let leased = queue.lease(ask(worker, 1, PATIENCE, MINUTE)).await.unwrap().pop().unwrap();
        assert_eq!(pending(), [(worker.to_owned(), delivery)]);
        queue.release(leased.lease, Redelivery::Now).await.unwrap();
    }
    let leased = next(&queue, MINUTE).await;
    queue.release(leased.lease, Redelivery::Dead("it failed four times".to_owned())).await.unwrap();
    assert!(pending().is_empty());
    assert_eq!(dead(&world)[0].0, "it failed four times");
    assert_eq!(world.keys(), [world.name.clone(), world.key("dead")]);
}

#[tokio::test]
async fn an_entry_that_was_read_past_the_queue_comes_back() {
    let world = World::new(needs_service!(
        Service::Redis,
        "stream::an_entry_that_was_read_past_the_queue_comes_back"
    ));
    let queue = world.queue().await;
    let lost = job();
    queue.enqueue(&lost).await.unwrap();
    let words = ["XREADGROUP", "GROUP", "ag-workers", "stranger", "COUNT", "1", "STREAMS", &world.name, ">"];
    raw::run::<redis::Value>(&world.url, &words);
    assert!(queue.lease(ask("w", 1, Duration::ZERO, MINUTE)).await.unwrap().is_empty());
    // Long ago, as far as the server knows.
    let found: StreamPendingCountReply =
        raw::run(&world.url, &["XPENDING", &world.name, "ag-workers", "-", "+", "1"]);
    let entry = &found.ids[0].id;
    let words = ["XCLAIM", &world.name, "ag-workers", "stranger", "0", entry, "IDLE", "3600000", "JUSTID"];
    raw::run::<redis::Value>(&world.url, &words);
    queue.prepare().await.unwrap();
    let leased = next(&queue, MINUTE).await;
    assert_eq!((leased.job, leased.delivery), (lost, 2));
}

#[tokio::test]
async fn a_stream_with_a_hash_tag_gives_it_to_its_keys() {
    let world =
        World::new(needs_service!(Service::Redis, "stream::a_stream_with_a_hash_tag_gives_it_to_its_keys"));
    let stream = format!("{{{}}}:jobs", world.name);
    let config = world.config().stream_key(&stream);
    let queue = agent_gateway_redis::Redis::open(config).await.unwrap().queue().await.unwrap();
    queue.enqueue(&job()).await.unwrap();
    next(&queue, MINUTE).await;
    for key in world.keys() {
        assert!(key.starts_with(&format!("{{{}}}:", world.name)), "{key}");
    }
}
