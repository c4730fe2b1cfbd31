use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessMemory, ports::memory::MemoryBackend};
use agent_gateway_testkit::{Fixture, memory, saboteur::MixesScopes};
use async_trait::async_trait;

struct Mixed;

#[async_trait]
impl Fixture<dyn MemoryBackend> for Mixed {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn MemoryBackend>, ())> {
        Ok((Arc::new(MixesScopes(Arc::new(InProcessMemory::default()))), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn MemoryBackend>>> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_memory_that_mixes_scopes_is_found() {
    let report = memory::conforms(&Mixed).await;
    let failed = [
        "scopes_never_mix",
        "scopes_with_similar_names_never_mix",
        "another_scope_cannot_delete",
        "clearing_leaves_other_scopes_alone",
    ];
    assert_eq!(report.failed(), failed, "{report}");
}
