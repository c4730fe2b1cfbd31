//! A lock has one holder.
use std::sync::Arc;

use agent_gateway_core::ports::lock::Lock;
use tokio::task::JoinSet;

use super::{LONG, refused, taken};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq},
};

/// The second one gets `None`, without waiting, whoever it is.
pub async fn a_held_lock_is_not_given_to_another(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let held = taken(&lock, "reload", LONG).await?;
    refused(&lock, "reload", "the lock is held").await?;
    lock.renew(&held, LONG).await?;
    refused(&lock, "reload", "the lock is held and was renewed").await
}

/// Two names are two locks, however alike they look.
pub async fn names_do_not_touch_each_other(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let mut held = Vec::new();
    for name in ["a", "A", "a:b", "a b", "a/b", "ä", "a*", "%"] {
        held.push(taken(&lock, name, LONG).await?);
    }
    for guard in held {
        lock.release(guard).await?;
    }
    Ok(())
}

/// Given back, it can be taken.
pub async fn a_released_lock_is_free_at_once(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let held = taken(&lock, "reload", LONG).await?;
    lock.release(held).await?;
    taken(&lock, "reload", LONG).await?;
    Ok(())
}

/// Many ask at the same time, one gets it.
pub async fn one_of_many_gets_the_lock(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    for round in 0..10 {
        let mut askers = JoinSet::new();
        for _ in 0..8 {
            let lock = Arc::clone(&lock);
            askers.spawn(async move { lock.acquire(&format!("round {round}"), LONG).await });
        }
        let mut holders = 0;
        while let Some(asked) = askers.join_next().await {
            let guard = asked.map_err(|error| broken(format!("a task stopped: {error}")))??;
            holders += usize::from(guard.is_some());
        }
        ensure_eq!(holders, 1, "how many of 8 hold the lock");
    }
    Ok(())
}

/// A later holder of a name can always be told from an earlier one.
pub async fn fences_rise_with_every_holder(fixture: &impl Fixture<dyn Lock>) -> CaseResult {
    let (lock, _guard) = fixture.fresh().await?;
    let mut last = None;
    for _ in 0..5 {
        let held = taken(&lock, "reload", LONG).await?;
        let fence = held.fence();
        ensure!(last < Some(fence), "the fence {fence:?} should be higher than {last:?}");
        last = Some(fence);
        lock.release(held).await?;
    }
    Ok(())
}
