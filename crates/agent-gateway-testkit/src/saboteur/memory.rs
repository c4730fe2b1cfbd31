use std::sync::Arc;

use agent_gateway_core::{
    Result,
    capability::MemoryCapability,
    id::MemoryId,
    page::{Page, PageRequest},
    ports::memory::{Memory, MemoryBackend, MemoryQuery, MemoryScope, NewMemory, Scored},
};
use async_trait::async_trait;

/// Keeps what it knows of a user in the agent's shared memory.
/// Found by [`scopes_never_mix`](crate::memory::scopes::scopes_never_mix).
#[derive(Debug)]
pub struct MixesScopes(pub Arc<dyn MemoryBackend>);

fn mixed(scope: &MemoryScope) -> MemoryScope {
    MemoryScope { agent_id: scope.agent_id.clone(), user_id: None }
}

#[async_trait]
impl MemoryBackend for MixesScopes {
    fn capability(&self) -> MemoryCapability {
        self.0.capability()
    }
    async fn put(&self, scope: &MemoryScope, item: &NewMemory) -> Result<Memory> {
        self.0.put(&mixed(scope), item).await
    }
    async fn get(&self, scope: &MemoryScope, id: &MemoryId) -> Result<Option<Memory>> {
        self.0.get(&mixed(scope), id).await
    }
    async fn search(&self, scope: &MemoryScope, query: &MemoryQuery) -> Result<Vec<Scored<Memory>>> {
        self.0.search(&mixed(scope), query).await
    }
    async fn list(&self, scope: &MemoryScope, page: PageRequest) -> Result<Page<Memory>> {
        self.0.list(&mixed(scope), page).await
    }
    async fn delete(&self, scope: &MemoryScope, id: &MemoryId) -> Result<bool> {
        self.0.delete(&mixed(scope), id).await
    }
    async fn clear(&self, scope: &MemoryScope) -> Result<u64> {
        self.0.clear(&mixed(scope)).await
    }
}
