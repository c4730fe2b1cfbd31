//! A lock that processes share.
use std::{fmt, time::Duration};

use async_trait::async_trait;

use crate::{Result, execution::Fence};

/// A held lock. It cannot be cloned: releasing consumes it.
#[derive(Debug, PartialEq, Eq)]
pub struct LockGuard {
    name: String,
    token: String,
    fence: Fence,
}

impl LockGuard {
    /// A guard that only the lock can read.
    pub fn new(name: impl Into<String>, token: impl Into<String>, fence: Fence) -> Self {
        Self { name: name.into(), token: token.into(), fence }
    }

    /// What is locked.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the lock wrote into it.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Higher than that of every earlier holder, so that a late writer can be refused.
    #[must_use]
    pub fn fence(&self) -> Fence {
        self.fence
    }
}

/// Lets one process at a time do a thing.
#[async_trait]
pub trait Lock: fmt::Debug + Send + Sync + 'static {
    /// Takes the lock for `ttl`, `None` when another holds it. Does not wait.
    ///
    /// - A lock that was not renewed within its time can be taken by another, with a higher fence.
    async fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<LockGuard>>;

    /// Holds it for `ttl` from now. A lock that another holds by now is `Conflict`.
    async fn renew(&self, guard: &LockGuard, ttl: Duration) -> Result<()>;

    /// Gives it back. A lock that another holds by now is left alone.
    async fn release(&self, guard: LockGuard) -> Result<()>;
}
