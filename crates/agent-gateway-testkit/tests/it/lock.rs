use std::sync::Arc;

use agent_gateway_core::{Result, in_process::InProcessLock, ports::lock::Lock};
use agent_gateway_testkit::{
    Fixture, lock,
    saboteur::{IgnoresExpiry, StuckFence},
};
use async_trait::async_trait;

/// Locks in this process, each behind the given wrapper.
struct Behind(fn(Arc<dyn Lock>) -> Arc<dyn Lock>);

#[async_trait]
impl Fixture<dyn Lock> for Behind {
    type Guard = ();
    async fn fresh(&self) -> Result<(Arc<dyn Lock>, ())> {
        Ok(((self.0)(Arc::new(InProcessLock::default())), ()))
    }
    async fn reopen(&self, (): &()) -> Result<Option<Arc<dyn Lock>>> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_ignores_expiry_is_found() {
    let report = lock::conforms(&Behind(|inner| Arc::new(IgnoresExpiry(inner)))).await;
    let failed = [
        "an_expired_lock_goes_to_another_with_a_higher_fence",
        "an_old_holder_cannot_renew",
        "an_old_holder_cannot_release",
    ];
    assert_eq!(report.failed(), failed, "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_fence_stands_still_is_found() {
    let report = lock::conforms(&Behind(|inner| Arc::new(StuckFence(inner)))).await;
    let failed = ["fences_rise_with_every_holder", "an_expired_lock_goes_to_another_with_a_higher_fence"];
    assert_eq!(report.failed(), failed, "{report}");
}
