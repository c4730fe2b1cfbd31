use std::sync::Arc;

use futures::FutureExt;

use super::*;
use crate::{ErrorKind, Timestamp};

const MINUTE: Duration = Duration::from_secs(60);

fn job(name: &str) -> Job {
    Job::new(ExecutionId::new(name).unwrap(), Timestamp::UNIX_EPOCH)
}

fn ask(count: usize, wait: Duration) -> LeaseRequest {
    LeaseRequest { worker: "w".to_owned(), count, wait, visibility: MINUTE }
}

async fn take_one(queue: &InProcessQueue) -> Leased {
    queue.lease(ask(1, Duration::ZERO)).await.unwrap().pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_until_something_is_settled() {
    let queue = InProcessQueue::default().capacity(NonZeroUsize::new(3).unwrap());
    for name in ["leased", "delayed", "ready"] {
        queue.enqueue(&job(name)).await.unwrap();
    }
    let leased = take_one(&queue).await;
    let delayed = take_one(&queue).await;
    queue.release(delayed.lease, Redelivery::After(MINUTE)).await.unwrap();
    let depth = Depth { ready: 1, delayed: 1, leased: 1, dead: 0 };
    assert_eq!(queue.depth().await.unwrap(), depth);
    assert_eq!(queue.enqueue(&job("over")).await.unwrap_err().kind(), ErrorKind::RateLimited);
    queue.complete(leased.lease).await.unwrap();
    queue.enqueue(&job("fits")).await.unwrap();
    assert_eq!(queue.enqueue(&job("over")).await.unwrap_err().kind(), ErrorKind::RateLimited);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_lease_gets_a_job_the_moment_its_lease_runs_out() {
    let queue = Arc::new(InProcessQueue::default());
    let waiting = tokio::task::JoinSet::from_iter((0..2).map(|_| {
        let queue = queue.clone();
        async move { (queue.lease(ask(1, MINUTE * 3)).await.unwrap(), Instant::now()) }
    }));
    // Both are asleep before there is anything whose time could run out.
    tokio::task::yield_now().await;
    let start = Instant::now();
    queue.enqueue(&job("a")).await.unwrap();
    let mut ends: Vec<_> = waiting.join_all().await;
    ends.sort_by_key(|(_, at)| *at);
    let seen: Vec<_> = ends.iter().map(|(taken, at)| (taken[0].delivery, *at - start)).collect();
    assert_eq!(seen, [(1, Duration::ZERO), (2, MINUTE)]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_lease_gets_a_delayed_job_the_moment_it_is_due() {
    let queue = InProcessQueue::default();
    queue.enqueue(&job("a")).await.unwrap();
    let first = take_one(&queue).await;
    let start = Instant::now();
    // The lease waits already when the job is released.
    let (taken, released) = tokio::join!(
        queue.lease(ask(1, MINUTE)),
        queue.release(first.lease, Redelivery::After(Duration::from_secs(7))),
    );
    released.unwrap();
    assert_eq!(taken.unwrap()[0].delivery, 2);
    assert_eq!(start.elapsed(), Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn extending_counts_from_now_in_both_directions() {
    let queue = InProcessQueue::default();
    queue.enqueue(&job("a")).await.unwrap();
    let first = take_one(&queue).await;
    queue.extend(&first.lease, MINUTE * 2).await.unwrap();
    tokio::time::advance(MINUTE).await;
    assert!(queue.lease(ask(1, Duration::ZERO)).await.unwrap().is_empty());
    let start = Instant::now();
    // The lease waits already when the other one is cut short.
    let (taken, extended) =
        tokio::join!(queue.lease(ask(1, MINUTE)), queue.extend(&first.lease, Duration::from_secs(5)));
    extended.unwrap();
    assert_eq!(taken.unwrap().len(), 1);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(queue.extend(&first.lease, MINUTE).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(queue.complete(first.lease).await.unwrap_err().kind(), ErrorKind::Conflict);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_waiter_passes_its_wake_on() {
    let queue = Arc::new(InProcessQueue::default());
    let mut first = Box::pin(queue.lease(ask(1, MINUTE)));
    let mut second = Box::pin(queue.lease(ask(1, MINUTE)));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    queue.enqueue(&job("a")).await.unwrap();
    drop(first);
    let taken = second.now_or_never().expect("the second waiter was woken").unwrap();
    assert_eq!(taken[0].delivery, 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_waits_exactly_as_long_as_it_was_asked_to() {
    let queue = InProcessQueue::default();
    let start = Instant::now();
    assert!(queue.lease(ask(1, MINUTE)).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), MINUTE);
    queue.enqueue(&job("a")).await.unwrap();
    assert!(queue.lease(ask(0, MINUTE)).await.unwrap().is_empty());
    assert_eq!(start.elapsed(), MINUTE);
}

#[tokio::test]
async fn the_list_of_dead_jobs_is_bounded() {
    let queue = InProcessQueue::default();
    for number in 0..1_001 {
        queue.enqueue(&job(&format!("j{number}"))).await.unwrap();
        let leased = take_one(&queue).await;
        queue.release(leased.lease, Redelivery::Dead(format!("reason {number}"))).await.unwrap();
    }
    let dead = queue.dead();
    assert_eq!(dead.len(), 1_000);
    assert_eq!(dead[0], DeadJob { job: job("j1"), reason: "reason 1".to_owned(), deliveries: 1 });
    assert_eq!(queue.depth().await.unwrap(), Depth { dead: 1_000, ..Depth::default() });
}

#[tokio::test]
async fn a_listener_that_falls_behind_misses_some_and_goes_on() {
    let queue = InProcessQueue::default();
    let mut listener = queue.cancellations();
    for number in 0..CANCELLATIONS * 2 {
        queue.request_cancel(&ExecutionId::new(format!("e{number}")).unwrap()).await.unwrap();
    }
    let last = format!("e{}", CANCELLATIONS * 2 - 1);
    let mut heard = 0;
    while let Some(id) = listener.next().await {
        heard += 1;
        if id.as_str() == last {
            break;
        }
    }
    assert_eq!(heard, CANCELLATIONS);
}

#[tokio::test(start_paused = true)]
async fn endless_times_do_not_overflow() {
    let queue = InProcessQueue::default();
    queue.enqueue(&job("a")).await.unwrap();
    let request = LeaseRequest { visibility: Duration::MAX, ..ask(1, Duration::MAX) };
    let leased = queue.lease(request).await.unwrap().pop().unwrap();
    queue.extend(&leased.lease, Duration::MAX).await.unwrap();
    let too_long = queue.release(leased.lease, Redelivery::After(Duration::MAX)).await.unwrap_err();
    assert_eq!(too_long.kind(), ErrorKind::Unsupported);
}
