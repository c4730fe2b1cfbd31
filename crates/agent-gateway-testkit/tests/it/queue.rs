use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessQueue, ports::queue::ExecutionQueue};
use agent_gateway_testkit::{
    Fixture, queue,
    saboteur::{IgnoresFence, RedeliversCompleted},
};
use async_trait::async_trait;

/// Queues in this process, each behind the given wrapper.
struct Behind(fn(Arc<dyn ExecutionQueue>) -> Arc<dyn ExecutionQueue>);

#[async_trait]
impl Fixture<dyn ExecutionQueue> for Behind {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn ExecutionQueue>, ())> {
        Ok(((self.0)(Arc::new(InProcessQueue::default())), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn ExecutionQueue>>> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_delivers_twice_after_complete_is_found() {
    let report = queue::conforms(&Behind(|inner| Arc::new(RedeliversCompleted(inner)))).await;
    assert!(report.failed().contains(&"a_completed_job_is_never_delivered_again"), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_lets_late_workers_settle_is_found() {
    let report = queue::conforms(&Behind(|inner| Arc::new(IgnoresFence(inner)))).await;
    assert!(report.failed().contains(&"an_expired_lease_settles_nothing"), "{report}");
}
