use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessStore, ports::persistence::PersistenceBackend};
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

struct Fresh;

#[async_trait]
impl Fixture<dyn PersistenceBackend> for Fresh {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn PersistenceBackend>, ())> {
        Ok((Arc::new(InProcessStore::default()), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn PersistenceBackend>>> {
        Ok(None)
    }
}

agent_gateway_testkit::persistence_suite!(Fresh);
