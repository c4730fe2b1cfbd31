//! Names of its own for each test.
use std::time::Duration;

use agent_gateway_core::{
    Timestamp,
    id::ExecutionId,
    ports::queue::{ExecutionQueue, Job, LeaseRequest, Leased},
};
use agent_gateway_redis::{Redis, RedisConfig, RedisQueue};
use tokio::time::{Instant, sleep};

use super::raw;

/// How long something may take that must happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Names that nobody else uses; their keys are deleted with it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) url: String,
    pub(super) name: String,
}

impl World {
    pub(super) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), name: format!("agw-test:{}", ExecutionId::generate()) }
    }

    pub(super) fn config(&self) -> RedisConfig {
        RedisConfig::parse(&self.url)
            .unwrap()
            .stream_key(&self.name)
            .lock_prefix(format!("{}:lock:", self.name))
            .rate_prefix(format!("{}:rate:", self.name))
    }

    pub(super) async fn redis(&self) -> Redis {
        Redis::open(self.config()).await.unwrap()
    }

    pub(super) async fn queue(&self) -> RedisQueue {
        let queue = self.redis().await.queue().await.unwrap();
        queue.prepare().await.unwrap();
        queue
    }

    /// The key of the queue with this name behind the stream's.
    pub(super) fn key(&self, what: &str) -> String {
        format!("{{{}}}:{what}", self.name)
    }

    pub(super) fn keys(&self) -> Vec<String> {
        raw::keys(&self.url, &self.name)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        raw::forget(&self.url, &self.name);
    }
}

pub(super) fn job() -> Job {
    Job::new(ExecutionId::generate(), Timestamp::UNIX_EPOCH)
}

pub(super) fn ask(worker: &str, count: usize, wait: Duration, visibility: Duration) -> LeaseRequest {
    LeaseRequest { worker: worker.to_owned(), count, wait, visibility }
}

/// The one job that must come.
pub(super) async fn next(queue: &RedisQueue, visibility: Duration) -> Leased {
    let mut taken = queue.lease(ask("w", 1, PATIENCE, visibility)).await.unwrap();
    assert_eq!(taken.len(), 1);
    taken.pop().unwrap()
}

/// Asks until the answer is `Ok`.
pub(super) async fn eventually<T, F: Future<Output = agent_gateway_core::Result<T>>>(
    mut attempt: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        match attempt().await {
            Ok(answer) => return answer,
            Err(error) => assert!(start.elapsed() < PATIENCE, "still failing: {error:?}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}
