//! Charges use what is there, all or nothing.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    ErrorKind,
    ports::rate::{Charged, MAX_KEY, RateStore},
};
use tokio::task::JoinSet;

use super::{allowed, denied, slow};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq, expect_kind, skipped},
};

/// The whole burst is there, counted down, and then it is used up.
pub async fn a_fresh_key_has_its_burst_and_no_more(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(7)?;
    for used in 1..=7 {
        let standing = allowed(&rates, "a", 1, &quota).await?;
        ensure_eq!((standing.limit, standing.remaining), (7, 7 - used), "the standing after charge {used}");
    }
    let (standing, retry_after) = denied(&rates, "a", 1, &quota).await?;
    ensure_eq!((standing.limit, standing.remaining), (7, 0), "the standing of a used up key");
    ensure!(!retry_after.is_zero(), "a denied charge should be told to wait, it was told {retry_after:?}");
    ensure!(standing.reset <= quota.per(), "all units come back in {:?}: {standing:?}", quota.per());
    ensure!(
        retry_after <= standing.reset,
        "one unit comes before all of them: {retry_after:?}, {standing:?}"
    );
    Ok(())
}

/// A charge of three is three charges.
pub async fn a_cost_is_counted_in_full(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(10)?;
    ensure_eq!(allowed(&rates, "a", 3, &quota).await?.remaining, 7, "what 3 of 10 leave");
    ensure_eq!(allowed(&rates, "a", 7, &quota).await?.remaining, 0, "what 10 of 10 leave");
    denied(&rates, "a", 1, &quota).await?;
    Ok(())
}

/// All or nothing: what was too much leaves what is there to smaller charges.
pub async fn a_denied_charge_uses_nothing(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(5)?;
    allowed(&rates, "a", 3, &quota).await?;
    for _ in 0..5 {
        let (standing, _) = denied(&rates, "a", 3, &quota).await?;
        ensure_eq!(standing.remaining, 2, "what a denied charge leaves");
    }
    allowed(&rates, "a", 2, &quota).await?;
    Ok(())
}

/// A cost of zero tells what is there, also when nothing is.
pub async fn a_look_uses_nothing(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(2)?;
    for left in [2, 1, 0] {
        for _ in 0..3 {
            let standing = allowed(&rates, "a", 0, &quota).await?;
            ensure_eq!(standing.remaining, left, "what a look finds");
            ensure_eq!(standing.reset.is_zero(), left == 2, "whether all units are there: {standing:?}");
        }
        if left > 0 {
            allowed(&rates, "a", 1, &quota).await?;
        }
    }
    Ok(())
}

/// Two keys are two limits.
pub async fn keys_do_not_touch_each_other(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(1)?;
    let long = "x".repeat(MAX_KEY);
    let keys = ["a", "A", "a:b", "a b", "a/b", "ä", "a*", "%", "{a}", " ", &long];
    for key in keys {
        allowed(&rates, key, 1, &quota).await?;
    }
    for key in keys {
        denied(&rates, key, 1, &quota).await?;
    }
    Ok(())
}

/// Many charge one key at the same time.
pub async fn charges_at_once_use_no_more_than_there_is(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(25)?;
    let mut chargers = JoinSet::new();
    for _ in 0..100 {
        let rates = Arc::clone(&rates);
        chargers.spawn(async move { rates.charge("a", 1, &quota).await });
    }
    let mut passed = 0;
    while let Some(charged) = chargers.join_next().await {
        let charged = charged.map_err(|error| broken(format!("a task stopped: {error}")))??;
        passed += usize::from(matches!(charged, Charged::Allowed(_)));
    }
    ensure_eq!(passed, 25, "how many of 100 charges at once passed a burst of 25");
    Ok(())
}

/// Whoever waits for it would wait for ever.
pub async fn a_charge_that_can_never_pass_is_too_large(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(5)?;
    expect_kind(rates.charge("a", 6, &quota).await, ErrorKind::TooLarge, "a charge of 6 to a burst of 5")?;
    allowed(&rates, "a", 5, &quota).await?;
    Ok(())
}

/// A key has 1 to 512 bytes.
pub async fn a_key_that_is_none_is_invalid(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    let quota = slow(5)?;
    for key in ["", &"x".repeat(MAX_KEY + 1)] {
        let what = format!("a charge to a key of {} bytes", key.len());
        expect_kind(rates.charge(key, 1, &quota).await, ErrorKind::Invalid, &what)?;
    }
    Ok(())
}

/// A limit that the operator changes holds at once.
pub async fn another_quota_counts_from_now_on(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, _guard) = fixture.fresh().await?;
    allowed(&rates, "a", 1, &slow(100)?).await?;
    ensure_eq!(allowed(&rates, "a", 1, &slow(10)?).await?.remaining, 9, "what a smaller burst leaves");
    let wider = super::quota(100, Duration::from_secs(60 * 60))?;
    ensure_eq!(allowed(&rates, "a", 1, &wider).await?.remaining, 8, "a wider quota gives nothing by itself");
    Ok(())
}

/// Processes that share the store share the limits.
pub async fn every_handle_sees_every_charge(fixture: &impl Fixture<dyn RateStore>) -> CaseResult {
    let (rates, guard) = fixture.fresh().await?;
    let Some(other) = fixture.reopen(&guard).await? else {
        return Err(skipped("the store is of one process"));
    };
    let quota = slow(4)?;
    allowed(&rates, "a", 1, &quota).await?;
    ensure_eq!(allowed(&other, "a", 2, &quota).await?.remaining, 1, "what another handle finds");
    allowed(&rates, "a", 1, &quota).await?;
    denied(&other, "a", 1, &quota).await?;
    Ok(())
}
