use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessMemory, ports::memory::MemoryBackend};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

struct Fresh;

#[async_trait]
impl Fixture<dyn MemoryBackend> for Fresh {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn MemoryBackend>, ())> {
        Ok((Arc::new(InProcessMemory::default()), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn MemoryBackend>>> {
        Ok(None)
    }
}

agent_gateway_testkit::memory_suite!(Fresh);
