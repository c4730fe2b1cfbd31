//! What only the spool has: its directory.
use std::{fs, time::Duration};

use agent_gateway_core::{
    ErrorKind, Timestamp,
    id::ExecutionId,
    ports::queue::{Depth, ExecutionQueue, Job, Lease, LeaseRequest, Leased, Redelivery},
};
use custom_backend::SpoolQueue;
use futures::StreamExt;

fn job() -> Job {
    Job::new(ExecutionId::generate(), Timestamp::UNIX_EPOCH)
}

async fn take_one(queue: &SpoolQueue) -> Leased {
    let minute = Duration::from_secs(60);
    let request = LeaseRequest { worker: "w".to_owned(), count: 1, wait: minute, visibility: minute };
    queue.lease(request).await.unwrap().pop().unwrap()
}

#[tokio::test]
async fn two_handles_share_the_work_and_hear_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let first = SpoolQueue::open(directory.path()).await.unwrap();
    let second = SpoolQueue::open(directory.path()).await.unwrap();
    let job = job();
    first.enqueue(&job).await.unwrap();
    let leased = take_one(&second).await;
    assert_eq!(leased.job, job);
    assert_eq!(first.depth().await.unwrap(), Depth { leased: 1, ..Depth::default() });

    let mut listener = second.cancellations();
    first.request_cancel(&job.execution_id).await.unwrap();
    assert_eq!(listener.next().await, Some(job.execution_id));
    // The right is the lease, whichever handle it comes through.
    first.complete(leased.lease).await.unwrap();
    assert_eq!(second.depth().await.unwrap(), Depth::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_completed_while_it_is_extended() {
    let directory = tempfile::tempdir().unwrap();
    let queue = SpoolQueue::open(directory.path()).await.unwrap();
    let minute = Duration::from_secs(60);
    for _ in 0..20 {
        queue.enqueue(&job()).await.unwrap();
        let lease = take_one(&queue).await.lease;
        let same = || Lease::new(lease.execution_id().clone(), lease.token());
        let (one, two, three) = (same(), same(), same());
        let extending = async {
            tokio::join!(queue.extend(&one, minute), queue.extend(&two, minute), queue.extend(&three, minute))
        };
        let (_, completed) = tokio::join!(extending, queue.complete(same()));
        completed.unwrap();
    }
}

#[tokio::test]
async fn a_dead_job_stays_with_its_reason() {
    let directory = tempfile::tempdir().unwrap();
    let queue = SpoolQueue::open(directory.path()).await.unwrap();
    queue.enqueue(&job()).await.unwrap();
    let leased = take_one(&queue).await;
    queue.release(leased.lease, Redelivery::Dead("it failed three times".to_owned())).await.unwrap();
    let files = fs::read_dir(directory.path().join("dead")).unwrap().map(|entry| entry.unwrap().path());
    let reason = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "reason"));
    assert_eq!(fs::read_to_string(reason.unwrap()).unwrap(), "it failed three times");
}

#[tokio::test]
async fn a_damaged_job_stops_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let queue = SpoolQueue::open(directory.path()).await.unwrap();
    queue.enqueue(&job()).await.unwrap();
    let damaged = fs::read_dir(directory.path().join("ready")).unwrap().next().unwrap().unwrap().path();
    fs::write(damaged, "no json").unwrap();
    fs::write(directory.path().join("ready/notes.txt"), "what nobody wrote here").unwrap();
    let job = job();
    queue.enqueue(&job).await.unwrap();
    assert_eq!(take_one(&queue).await.job, job);
    assert_eq!(queue.depth().await.unwrap(), Depth { leased: 1, dead: 1, ..Depth::default() });
}

#[tokio::test]
async fn a_place_that_cannot_be_used_is_misconfigured() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(SpoolQueue::open(file).await.unwrap_err().kind(), ErrorKind::Misconfigured);
}
