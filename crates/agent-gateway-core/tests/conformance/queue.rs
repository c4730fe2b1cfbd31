use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessQueue, ports::queue::ExecutionQueue};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

struct Fresh;

#[async_trait]
impl Fixture<dyn ExecutionQueue> for Fresh {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn ExecutionQueue>, ())> {
        Ok((Arc::new(InProcessQueue::default()), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn ExecutionQueue>>> {
        Ok(None)
    }
}

agent_gateway_testkit::queue_suite!(Fresh);
