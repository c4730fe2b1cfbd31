use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::deadline;
use crate::{
    Error, Result,
    execution::Fence,
    ports::lock::{Lock, LockGuard},
};

/// The most names that may be held at the same time.
const MAX_HELD: usize = 10_000;

/// A lock among the tasks of this process. Measured in tokio's time; at most 10 000 names are held at once, more are
/// `RateLimited`.
#[derive(Debug)]
pub struct InProcessLock {
    state: Mutex<State>,
    max_held: usize,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<String, Held>,
    /// One counter for all names: fences rise for each name, and nothing is kept of a name that nobody holds.
    last: Fence,
}

#[derive(Debug)]
struct Held {
    fence: Fence,
    until: Instant,
}

impl Default for InProcessLock {
    fn default() -> Self {
        Self { state: Mutex::default(), max_held: MAX_HELD }
    }
}

impl InProcessLock {
    /// The same lock for at most `names` held at the same time.
    #[must_use]
    pub fn max_held(mut self, names: usize) -> Self {
        self.max_held = names;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The entry of a guard, while nobody else has taken the name.
    fn entry(&mut self, guard: &LockGuard) -> Option<&mut Held> {
        self.held
            .get_mut(guard.name())
            .filter(|held| held.fence == guard.fence() && token(held.fence) == guard.token())
    }
}

fn token(fence: Fence) -> String {
    fence.0.to_string()
}

#[async_trait]
impl Lock for InProcessLock {
    async fn acquire(&self, name: &str, ttl: Duration) -> Result<Option<LockGuard>> {
        let mut state = self.state();
        let now = Instant::now();
        if state.held.get(name).is_some_and(|held| held.until > now) {
            return Ok(None);
        }
        if state.held.len() >= self.max_held {
            state.held.retain(|_, held| held.until > now);
        }
        if state.held.len() >= self.max_held {
            return Err(Error::rate_limited("too many locks are held at the same time")
                .during("in-process.acquire")
                .with("limit", self.max_held));
        }
        let fence = state.last.next();
        state.last = fence;
        state.held.insert(name.to_owned(), Held { fence, until: deadline::after(ttl) });
        Ok(Some(LockGuard::new(name, token(fence), fence)))
    }

    async fn renew(&self, guard: &LockGuard, ttl: Duration) -> Result<()> {
        // A lock that ran out may be renewed as long as nobody took it: no other holder has written in between.
        match self.state().entry(guard) {
            Some(held) => held.until = deadline::after(ttl),
            None => {
                return Err(Error::conflict("the lock is no longer held by this guard")
                    .during("in-process.renew")
                    .with("lock", guard.name())
                    .with("fence", guard.fence().0));
            }
        }
        Ok(())
    }

    async fn release(&self, guard: LockGuard) -> Result<()> {
        let mut state = self.state();
        if state.entry(&guard).is_some() {
            state.held.remove(guard.name());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const TTL: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_lock_ends_exactly_when_its_time_is_over() {
        let lock = InProcessLock::default();
        let first = lock.acquire("reload", TTL).await.unwrap().unwrap();
        tokio::time::advance(TTL - Duration::from_millis(1)).await;
        assert!(lock.acquire("reload", TTL).await.unwrap().is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
        let second = lock.acquire("reload", TTL).await.unwrap().unwrap();
        assert!(second.fence() > first.fence());
    }

    #[tokio::test(start_paused = true)]
    async fn renewing_counts_from_now_and_ends_with_the_release() {
        let lock = InProcessLock::default();
        let guard = lock.acquire("reload", TTL).await.unwrap().unwrap();
        tokio::time::advance(TTL * 2).await;
        lock.renew(&guard, TTL).await.unwrap();
        assert!(lock.acquire("reload", TTL).await.unwrap().is_none());
        let copy = LockGuard::new(guard.name(), guard.token(), guard.fence());
        lock.release(guard).await.unwrap();
        assert_eq!(lock.renew(&copy, TTL).await.unwrap_err().kind(), ErrorKind::Conflict);
        assert!(lock.acquire("reload", TTL).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn held_names_are_bounded_and_expired_ones_make_room() {
        let lock = InProcessLock::default().max_held(2);
        lock.acquire("a", TTL).await.unwrap().unwrap();
        lock.acquire("b", Duration::MAX).await.unwrap().unwrap();
        assert_eq!(lock.acquire("c", TTL).await.unwrap_err().kind(), ErrorKind::RateLimited);
        tokio::time::advance(TTL).await;
        assert!(lock.acquire("c", TTL).await.unwrap().is_some());
        assert!(lock.acquire("b", TTL).await.unwrap().is_none());
    }
}
