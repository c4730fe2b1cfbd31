//! The lock: one key for each name that is held, and one counter for the fences of all.
use std::time::Duration;

use agent_gateway_core::{
    Error, Result,
    execution::Fence,
    ports::lock::{Lock, LockGuard},
};
use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    Redis,
    connect::Ask,
    queue::millis,
    script::{LOCK_ACQUIRE, LOCK_RELEASE, LOCK_RENEW},
};

/// A lock among processes: a key that the server forgets when its time is over.
///
/// Fences rise over all names together. Their counter is kept for good, and one that was lost with the server's data goes on
/// above the old one, as long as the server's clock does not go back.
#[derive(Clone, Debug)]
pub struct RedisLock {
    redis: Redis,
}

impl RedisLock {
    pub(crate) fn new(redis: Redis) -> Self {
        Self { redis }
    }

    fn key(&self, name: &str) -> String {
        // The counter's name is no lock's: those that begin with a colon get a second one.
        let colon = if name.starts_with(':') { ":" } else { "" };
        format!("{}{colon}{name}", self.redis.inner.config.lock_prefix)
    }

    fn counter(&self) -> String {
        format!("{}:fence", self.redis.inner.config.lock_prefix)
    }
}

#[async_trait]
impl Lock for RedisLock {
    async fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<LockGuard>> {
        let token = Uuid::now_v7().simple().to_string();
        let mut script = LOCK_ACQUIRE.key(self.key(name));
        script.key(self.counter()).arg(&token).arg(millis(ttl).max(1));
        // A second attempt knows the lock of a first one by its token.
        let fence: Option<u64> =
            self.redis.inner.connections.ask("redis.acquire", &Ask::Script(&script)).await?;
        Ok(fence.map(|fence| LockGuard::new(name, token, Fence(fence))))
    }

    async fn renew(&self, guard: &LockGuard, ttl: Duration) -> Result<()> {
        let mut script = LOCK_RENEW.key(self.key(guard.name()));
        script.arg(guard.token()).arg(millis(ttl).max(1));
        let ask = Ask::Script(&script);
        let held: bool = self.redis.inner.connections.ask("redis.renew", &ask).await?;
        if !held {
            // Also when nobody holds it: somebody may have, in between.
            return Err(Error::conflict("the lock is no longer held by this guard")
                .during("redis.renew")
                .with("lock", guard.name())
                .with("fence", guard.fence().0));
        }
        Ok(())
    }

    async fn release(&self, guard: LockGuard) -> Result<()> {
        let mut script = LOCK_RELEASE.key(self.key(guard.name()));
        script.arg(guard.token());
        let ask = Ask::Script(&script);
        self.redis.inner.connections.ask::<bool>("redis.release_lock", &ask).await?;
        Ok(())
    }
}
