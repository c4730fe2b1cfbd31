use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessLock, ports::lock::Lock};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

struct Fresh;

#[async_trait]
impl Fixture<dyn Lock> for Fresh {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn Lock>, ())> {
        Ok((Arc::new(InProcessLock::default()), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn Lock>>> {
        Ok(None)
    }
}

agent_gateway_testkit::lock_suite!(Fresh);
