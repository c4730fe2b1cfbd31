use std::sync::Arc;

use agent_gateway_core::{
    Result,
    ports::{lock::Lock, queue::ExecutionQueue, rate::RateStore},
};
use agent_gateway_redis::Redis;
use agent_gateway_testkit::{Fixture, Service};
use async_trait::async_trait;

use super::world::World;

async fn opened(world: &World) -> Result<Arc<dyn ExecutionQueue>> {
    let queue = Redis::open(world.config()).await?.queue().await?;
    queue.prepare().await?;
    Ok(Arc::new(queue))
}

async fn world() -> Result<World> {
    Ok(World::new(Service::Redis.url().await?))
}

struct Queues;

#[async_trait]
impl Fixture<dyn ExecutionQueue> for Queues {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn ExecutionQueue>, World)> {
        let world = world().await?;
        Ok((opened(&world).await?, world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn ExecutionQueue>>> {
        Ok(Some(opened(world).await?))
    }
}

struct Locks;

#[async_trait]
impl Fixture<dyn Lock> for Locks {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn Lock>, World)> {
        let world = world().await?;
        Ok((Arc::new(Redis::open(world.config()).await?.lock()), world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn Lock>>> {
        Ok(Some(Arc::new(Redis::open(world.config()).await?.lock())))
    }
}

struct Rates;

#[async_trait]
impl Fixture<dyn RateStore> for Rates {
    type Guard = World;
    async fn fresh(&self) -> Result<(Arc<dyn RateStore>, World)> {
        let world = world().await?;
        Ok((Arc::new(Redis::open(world.config()).await?.rates()), world))
    }
    async fn reopen(&self, world: &World) -> Result<Option<Arc<dyn RateStore>>> {
        Ok(Some(Arc::new(Redis::open(world.config()).await?.rates())))
    }
}

mod queue {
    agent_gateway_testkit::queue_suite!(super::Queues);
}

mod lock {
    agent_gateway_testkit::lock_suite!(super::Locks);
}

mod rates {
    agent_gateway_testkit::rates_suite!(super::Rates);
}
