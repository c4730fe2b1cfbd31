use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Result,
    execution::Fence,
    ports::lock::{Lock, LockGuard},
};
use async_trait::async_trait;

/// Holds a lock until it is released, although its time is over.
/// Found by [`an_expired_lock_goes_to_another_with_a_higher_fence`](crate::lock::expiry::an_expired_lock_goes_to_another_with_a_higher_fence).
#[derive(Debug)]
pub struct IgnoresExpiry(pub Arc<dyn Lock>);

#[async_trait]
impl Lock for IgnoresExpiry {
    async fn acquire(&self, name: &str, _ttl: Duration) -> Result<Option<LockGuard>> {
        self.0.acquire(name, Duration::MAX).await
    }
    async fn renew(&self, guard: &LockGuard, _ttl: Duration) -> Result<()> {
        self.0.renew(guard, Duration::MAX).await
    }
    async fn release(&self, guard: LockGuard) -> Result<()> {
        self.0.release(guard).await
    }
}

/// Gives every holder the same fence.
/// Found by [`fences_rise_with_every_holder`](crate::lock::holding::fences_rise_with_every_holder).
#[derive(Debug)]
pub struct StuckFence(pub Arc<dyn Lock>);

/// What stands between the real fence and the real token in a stuck guard's token.
const BETWEEN: char = '/';

fn stuck(guard: &LockGuard) -> LockGuard {
    let token = format!("{}{BETWEEN}{}", guard.fence().0, guard.token());
    LockGuard::new(guard.name(), token, Fence(1))
}

fn real(guard: &LockGuard) -> LockGuard {
    let (fence, token) = guard.token().split_once(BETWEEN).unwrap_or_default();
    LockGuard::new(guard.name(), token, Fence(fence.parse().unwrap_or_default()))
}

#[async_trait]
impl Lock for StuckFence {
    async fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<LockGuard>> {
        Ok(self.0.acquire(name, ttl).await?.as_ref().map(stuck))
    }
    async fn renew(&self, guard: &LockGuard, ttl: Duration) -> Result<()> {
        self.0.renew(&real(guard), ttl).await
    }
    async fn release(&self, guard: LockGuard) -> Result<()> {
        self.0.release(real(&guard)).await
    }
}
