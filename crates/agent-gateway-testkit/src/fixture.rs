//! How a suite gets a backend to examine.
use std::sync::Arc;

use agent_gateway_core::Result;
use async_trait::async_trait;

/// Makes backends of the port `P` for the cases of a suite. Cases run side by side, so each one gets a world of its own.
#[async_trait]
pub trait Fixture<P: ?Sized>: Send + Sync {
    /// What keeps the case's world alive, such as a temporary directory; dropped after the case.
    type Guard: Send + Sync;

    /// A prepared backend, empty and isolated from those of all other cases.
    async fn fresh(&self) -> Result<(Arc<P>, Self::Guard)>;

    /// Another handle on the world of `guard`, as a new process would open it; `None` when the backend is not durable.
    async fn reopen(&self, guard: &Self::Guard) -> Result<Option<Arc<P>>>;
}
