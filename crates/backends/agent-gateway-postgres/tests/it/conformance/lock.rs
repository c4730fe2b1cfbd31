//! The published suite of the lock.
use std::sync::Arc;

use agent_gateway_core::{Result, ports::lock::Lock};
use agent_gateway_postgres::PostgresLock;
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

use crate::it::world::World;

struct Fresh;

#[async_trait]
impl Fixture<dyn Lock> for Fresh {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn Lock>, World)> {
        let world = World::fresh().await?;
        Ok((Arc::new(PostgresLock::new(&world.open().await?)), world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn Lock>>> {
        Ok(Some(Arc::new(PostgresLock::new(&world.open().await?))))
    }
}

agent_gateway_testkit::lock_suite!(Fresh);
