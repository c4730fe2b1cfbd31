//! Units come back evenly, and a denied charge is told when.
use std::time::Duration;

use agent_gateway_core::ports::rate::RateStore;
use tokio::time::{Instant, sleep};

use super::{allowed, denied, quota};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq},
};

/// A part of the time gives a part of the units.
pub async fn units_come_back_one_by_one(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = quota(10, Duration::from_secs(10))?;
    let start = Instant::now();
    allowed(&rates, "a", 10, &quota).await?;
    sleep(Duration::from_millis(1_100)).await;
    let remaining = allowed(&rates, "a", 0, &quota).await?.remaining;
    let most = start.elapsed().as_secs() + 1;
    ensure!(
        (1..=most).contains(&u64::from(remaining)),
        "1 to {most} units should be back, it was {remaining}"
    );
    Ok(())
}

/// Not before, and then for sure.
pub async fn a_denied_charge_passes_after_the_time_it_was_told(
    fixture: &impl Fixture<dyn RateStore>,
) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = quota(3, Duration::from_millis(1_800))?;
    let start = Instant::now();
    allowed(&rates, "a", 3, &quota).await?;
    let (_, wait) = denied(&rates, "a", 2, &quota).await?;
    let due = Duration::from_millis(1_200);
    let told = start.elapsed() + wait;
    ensure!(told >= due - Duration::from_millis(50), "2 units come in {due:?}, the charge was told {told:?}");
    ensure!(wait <= due + Duration::from_millis(50), "2 units come in {due:?}, the charge was told {wait:?}");
    sleep(wait / 2).await;
    if start.elapsed() < due - Duration::from_millis(50) {
        denied(&rates, "a", 2, &quota).await?;
    }
    sleep(wait / 2 + Duration::from_millis(20)).await;
    allowed(&rates, "a", 2, &quota).await?;
    Ok(())
}

/// The reset is when the key is as good as new.
pub async fn all_units_are_back_after_the_reset(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = quota(50, Duration::from_secs(1))?;
    allowed(&rates, "a", 50, &quota).await?;
    let reset = allowed(&rates, "a", 0, &quota).await?.reset;
    ensure!(reset <= Duration::from_secs(1), "50 units come in a second, not in {reset:?}");
    sleep(reset + Duration::from_millis(20)).await;
    let standing = allowed(&rates, "a", 0, &quota).await?;
    ensure_eq!((standing.remaining, standing.reset), (50, Duration::ZERO), "the standing after the reset");
    Ok(())
}
