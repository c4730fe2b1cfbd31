use std::sync::Arc;

use agent_gateway_core::{Result, ports::queue::ExecutionQueue};
use agent_gateway_testkit::{Fixture, Service};
use async_trait::async_trait;

use super::world::World;

struct Fresh;

async fn opened(world: &World) -> Result<Arc<dyn ExecutionQueue>> {
    let queue = world.opened(world.config()).await?;
    queue.prepare().await?;
    Ok(queue)
}

#[async_trait]
impl Fixture<dyn ExecutionQueue> for Fresh {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn ExecutionQueue>, World)> {
        let world = World::new(Service::RabbitMq.url().await?);
        Ok((opened(&world).await?, world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn ExecutionQueue>>> {
        Ok(Some(opened(world).await?))
    }
}

agent_gateway_testkit::queue_suite!(Fresh);
