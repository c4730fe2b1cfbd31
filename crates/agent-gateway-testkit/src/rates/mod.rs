//! What every [`RateStore`] keeps: nobody uses more than there is, and everybody learns when there is more.
use std::{num::NonZeroU32, sync::Arc, time::Duration};

use agent_gateway_core::ports::rate::{Charged, Quota, RateStore, Standing};

use crate::{
    fixture::Fixture,
    suite::{Finding, broken, suite},
};

pub mod charging;
pub mod coming_back;

suite!($ rates, rates_suite, [Fixture<dyn RateStore>], {
    charging: [
        a_fresh_key_has_its_burst_and_no_more,
        a_cost_is_counted_in_full,
        a_denied_charge_uses_nothing,
        a_look_uses_nothing,
        keys_do_not_touch_each_other,
        charges_at_once_use_no_more_than_there_is,
        a_charge_that_can_never_pass_is_too_large,
        a_key_that_is_none_is_invalid,
        another_quota_counts_from_now_on,
        every_handle_sees_every_charge,
    ],
    coming_back: [
        units_come_back_one_by_one,
        a_denied_charge_passes_after_the_time_it_was_told,
        all_units_are_back_after_the_reset,
    ],
});

/// A quota that gives nothing back while a case runs.
fn slow(units: u32) -> Result<Quota, Finding> {
    quota(units, Duration::from_secs(60 * 60))
}

fn quota(units: u32, per: Duration) -> Result<Quota, Finding> {
    let units = NonZeroU32::new(units).ok_or_else(|| broken("a case's quota has units"))?;
    Ok(Quota::new(units, per)?)
}

/// A charge that must pass.
async fn allowed(
    rates: &Arc<dyn RateStore>,
    key: &str,
    cost: u32,
    quota: &Quota,
) -> Result<Standing, Finding> {
    match rates.charge(key, cost, quota).await? {
        Charged::Allowed(standing) => Ok(standing),
        denied => Err(broken(format!("a charge of {cost} to {key:?} should pass: {denied:?}"))),
    }
}

/// A charge that must not pass, and the time after which it would.
async fn denied(
    rates: &Arc<dyn RateStore>,
    key: &str,
    cost: u32,
    quota: &Quota,
) -> Result<(Standing, Duration), Finding> {
    match rates.charge(key, cost, quota).await? {
        Charged::Denied { standing, retry_after } => Ok((standing, retry_after)),
        allowed => Err(broken(format!("a charge of {cost} to {key:?} should be denied: {allowed:?}"))),
    }
}
