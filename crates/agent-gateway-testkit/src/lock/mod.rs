//! What every [`Lock`] keeps: one holder at a time, and a fence for those who come too late.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::ports::lock::{Lock, LockGuard};

use crate::{
    fixture::Fixture,
    suite::{Finding, broken, suite},
};

pub mod expiry;
pub mod holding;

suite!($ lock, lock_suite, [Fixture<dyn Lock>], {
    holding: [
        a_held_lock_is_not_given_to_another,
        names_do_not_touch_each_other,
        a_released_lock_is_free_at_once,
        one_of_many_gets_the_lock,
        fences_rise_with_every_holder,
    ],
    expiry: [
        an_expired_lock_goes_to_another_with_a_higher_fence,
        a_renewed_lock_stays,
        an_old_holder_cannot_renew,
        an_old_holder_cannot_release,
        an_endless_lock_is_held,
    ],
});

/// How long a lock is held that is meant to run out.
const SHORT: Duration = Duration::from_millis(600);
/// How long a lock is held that is meant to be released.
const LONG: Duration = Duration::from_secs(120);
/// How long an expired lock may take to be free.
const PATIENCE: Duration = Duration::from_secs(15);

/// Takes a lock that must be free.
async fn taken(lock: &Arc<dyn Lock>, name: &str, ttl: Duration) -> Result<LockGuard, Finding> {
    match lock.acquire(name, ttl).await? {
        Some(guard) if guard.name() == name => Ok(guard),
        Some(guard) => Err(broken(format!("the guard of {name:?} is for {:?}", guard.name()))),
        None => Err(broken(format!("the lock {name:?} should be free, and was not given"))),
    }
}

/// Finds a broken contract when the lock is given.
async fn refused(lock: &Arc<dyn Lock>, name: &str, why: &str) -> Result<(), Finding> {
    match lock.acquire(name, LONG).await? {
        None => Ok(()),
        Some(guard) => Err(broken(format!("{why}, and the lock was given: {guard:?}"))),
    }
}

/// The same right a second time, as a holder would have it that comes too late.
fn copy(guard: &LockGuard) -> LockGuard {
    LockGuard::new(guard.name(), guard.token(), guard.fence())
}
