//! A lock ends with its time, and then the old holder has lost it.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    ErrorKind,
    ports::lock::{Lock, LockGuard},
};
use tokio::time::Instant;

use super::{LONG, PATIENCE, SHORT, copy, refused, taken};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, Finding, ensure, expect_kind},
};

/// Asks until the lock is given, which must happen when its time is over.
async fn taken_over(lock: &Arc<dyn Lock>, name: &str) -> Result<LockGuard, Finding> {
    let start = Instant::now();
    loop {
        if let Some(guard) = lock.acquire(name, LONG).await? {
            return Ok(guard);
        }
        let waited = start.elapsed();
        ensure!(waited < PATIENCE, "a lock held for {SHORT:?} is still not free after {waited:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Not before its time is over, and then with a higher fence.
pub async fn an_expired_lock_goes_to_another_with_a_higher_fence(
    fixture: &impl Fixture<dyn Lock>,
) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let start = Instant::now();
    let old = taken(&lock, "reload", SHORT).await?;
    let new = taken_over(&lock, "reload").await?;
    let took = start.elapsed();
    ensure!(took >= SHORT - Duration::from_millis(50), "a lock of {SHORT:?} was free after {took:?}");
    ensure!(new.fence() > old.fence(), "the fence {:?} follows {:?}", new.fence(), old.fence());
    refused(&lock, "reload", "the new holder has it").await
}

/// Renewing counts from the renewal.
pub async fn a_renewed_lock_stays(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let held = taken(&lock, "reload", Duration::from_secs(1)).await?;
    lock.renew(&held, LONG).await?;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    refused(&lock, "reload", "the lock was renewed").await?;
    lock.release(held).await?;
    taken(&lock, "reload", LONG).await?;
    Ok(())
}

/// Whoever lost the lock learns it when renewing, and takes nothing from the new holder.
pub async fn an_old_holder_cannot_renew(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let old = taken(&lock, "reload", SHORT).await?;
    let new = taken_over(&lock, "reload").await?;
    expect_kind(lock.renew(&old, LONG).await, ErrorKind::Conflict, "renewing a lock that another holds")?;
    lock.renew(&new, LONG).await?;
    Ok(())
}

/// Whoever lost the lock cannot give it away.
pub async fn an_old_holder_cannot_release(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let old = taken(&lock, "reload", SHORT).await?;
    let new = taken_over(&lock, "reload").await?;
    lock.release(copy(&old)).await?;
    refused(&lock, "reload", "an old holder released what is no longer its own").await?;
    lock.release(new).await?;
    taken(&lock, "reload", LONG).await?;
    Ok(())
}

/// A very long time is a long time, not an overflow.
pub async fn an_endless_lock_is_held(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let held = taken(&lock, "reload", Duration::from_secs(60 * 60 * 24 * 365 * 100)).await?;
    refused(&lock, "reload", "the lock is held for a hundred years").await?;
    lock.release(held).await?;
    Ok(())
}
