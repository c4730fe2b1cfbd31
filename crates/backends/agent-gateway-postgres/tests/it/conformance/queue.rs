//! The published suite of the queue.
use std::sync::Arc;

use agent_gateway_core::{Result, ports::queue::ExecutionQueue};
use agent_gateway_postgres::PostgresQueue;
use agent_gateway_testkit::Fixture;
use async_trait::async_trait;

use crate::it::world::World;

struct Fresh;

#[async_trait]
impl Fixture<dyn ExecutionQueue> for Fresh {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn ExecutionQueue>, World)> {
        let world = World::fresh().await?;
        Ok((Arc::new(PostgresQueue::open(&world.open().await?).await?), world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn ExecutionQueue>>> {
        Ok(Some(Arc::new(PostgresQueue::open(&world.open().await?).await?)))
    }
}

agent_gateway_testkit::queue_suite!(Fresh);
