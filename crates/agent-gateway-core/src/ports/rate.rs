//! Rate limits that processes share.
use std::{fmt, num::NonZeroU32, time::Duration};

use async_trait::async_trait;

use crate::{Error, Result};

/// The longest time in which the units of a quota may come.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How much may be used: `units` in each `per`, and at most `burst` at once.
///
/// It is a token bucket (the same thing as GCRA), not a window: a key has `burst` units at first, and they come back
/// evenly, one every `per / units`. So nobody gets twice the limit around the edge of a window, and nobody waits for its
/// end. With the default burst of `units`, at most `2 * units - 1` pass in any `per`, and `units` in each one of many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    units: NonZeroU32,
    per: Duration,
    burst: NonZeroU32,
}

impl Quota {
    /// `units` in each `per`, all of which may be used at once. A time of zero or over 366 days is `Invalid`.
    pub fn new(units: NonZeroU32, per: Duration) -> Result<Self> {
        if per.is_zero() || per > LONGEST {
            return Err(Error::invalid("a quota is for a time above zero and of 366 days at most")
                .with("seconds", per.as_secs_f64()));
        }
        Ok(Self { units, per, burst: units })
    }

    /// The same quota with at most `burst` units at once.
    #[must_use]
    pub fn burst(mut self, burst: NonZeroU32) -> Self {
        self.burst = burst;
        self
    }

    /// How many units come in each [`per`](Self::per).
    #[must_use]
    pub fn units(&self) -> NonZeroU32 {
        self.units
    }

    /// The time in which [`units`](Self::units) come.
    #[must_use]
    pub fn per(&self) -> Duration {
        self.per
    }

    /// The most units that may be used at once.
    #[must_use]
    pub fn most(&self) -> NonZeroU32 {
        self.burst
    }

    /// The time in which `units` come back. Counted in nanoseconds, rounded up: after it they are there.
    #[must_use]
    pub fn time_for(&self, units: f64) -> Duration {
        let nanos = units * self.per.as_secs_f64() * 1e9 / f64::from(self.units.get());
        // Values below zero and above the type's range are cut to it.
        Duration::from_nanos(nanos.ceil() as u64)
    }

    /// How many units come back in `elapsed`.
    #[must_use]
    pub fn units_in(&self, elapsed: Duration) -> f64 {
        elapsed.as_secs_f64() / self.per.as_secs_f64() * f64::from(self.units.get())
    }
}

/// What a key stands at after a charge: what the headers of an answer say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The most units at once: `RateLimit-Limit`.
    pub limit: u32,
    /// The whole units left: `RateLimit-Remaining`.
    pub remaining: u32,
    /// The time until all units are back: `RateLimit-Reset`.
    pub reset: Duration,
}

/// What a store says to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a charge that nobody looks at limits nothing"]
pub enum Charged {
    /// The units were there, and are used.
    Allowed(Standing),
    /// The units were not there, and none was used.
    Denied {
        /// What is there.
        standing: Standing,
        /// After this time the same charge passes, unless others come first: `Retry-After`. Never zero.
        retry_after: Duration,
    },
}

impl Charged {
    /// What the key stands at now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match self {
            Self::Allowed(standing) | Self::Denied { standing, .. } => *standing,
        }
    }
}

/// The longest key, in bytes.
pub const MAX_KEY: usize = 512;

/// Counts what keys use, for all processes that share the store.
///
/// A key is whatever is limited: an API key's id, a user, an address, each with the name of the limit before it. It is
/// stored and shown to operators as it is, so it is never a credential.
#[async_trait]
pub trait RateStore: fmt::Debug + Send + Sync + 'static {
    /// Uses `cost` units of the key's quota, all of them or none.
    ///
    /// - A key that was never charged, or whose units are all back, has the whole burst.
    /// - A charge that is denied uses nothing.
    /// - Charges at the same time, of any process, never use more than there is.
    /// - Keys are apart, however alike they look. An empty key or one over [`MAX_KEY`] bytes is `Invalid`.
    /// - A cost of zero is a look: it is allowed, and uses nothing.
    /// - A cost over the burst can never pass, and is `TooLarge`.
    /// - A quota that is another one than at the last charge counts from now on; what is left is cut to its burst.
    async fn charge(&self, key: &str, cost: u32, quota: &Quota) -> Result<Charged>;
}

/// Refuses what no store can charge. For implementors: the first line of every [`RateStore::charge`].
pub fn check(key: &str, cost: u32, quota: &Quota) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Error::invalid("a rate limit's key has 1 to 512 bytes").with("bytes", key.len()));
    }
    if cost > quota.most().get() {
        return Err(Error::too_large("the charge is over the quota's burst: it can never pass")
            .with("cost", cost)
            .with("burst", quota.most()));
    }
    Ok(())
}

/// The answer to a charge of `cost` that finds `there` units, and what is left of them. For implementors.
pub fn answer(quota: &Quota, there: f64, cost: u32) -> (Charged, f64) {
    /// A part of a unit that rounding may have taken away.
    const ROUNDING: f64 = 1e-6;
    let (burst, wanted) = (f64::from(quota.most().get()), f64::from(cost));
    let passes = there + ROUNDING >= wanted;
    let left = if passes { (there - wanted).max(0.0) } else { there };
    let standing = Standing {
        limit: quota.most().get(),
        remaining: (left + ROUNDING).floor() as u32,
        reset: quota.time_for(burst - left),
    };
    let charged = if passes {
        Charged::Allowed(standing)
    } else {
        Charged::Denied { standing, retry_after: quota.time_for(wanted - there).max(Duration::from_nanos(1)) }
    };
    (charged, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(units: u32, seconds: u64) -> Quota {
        Quota::new(NonZeroU32::new(units).unwrap(), Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn a_denied_charge_says_when_its_units_are_there() {
        let (charged, left) = answer(&quota(60, 60), 1.5, 3);
        let standing = Standing { limit: 60, remaining: 1, reset: Duration::from_millis(58_500) };
        assert_eq!(charged, Charged::Denied { standing, retry_after: Duration::from_millis(1_500) });
        assert_eq!(left, 1.5);
    }

    #[test]
    fn every_unit_of_an_odd_quota_can_be_used() {
        let quota = quota(7, 1);
        let mut there = 7.0;
        for used in 1..=7 {
            let (charged, left) = answer(&quota, there, 1);
            assert!(matches!(charged, Charged::Allowed(Standing { remaining, .. }) if remaining == 7 - used));
            there = left;
        }
        assert!(matches!(answer(&quota, there, 1).0, Charged::Denied { .. }));
        assert!(quota.units_in(quota.time_for(1.0)) >= 1.0);
    }

    #[test]
    fn times_of_a_quota_are_bounded() {
        let one = NonZeroU32::MIN;
        assert!(Quota::new(one, Duration::ZERO).is_err());
        assert!(Quota::new(one, Duration::MAX).is_err());
        let slow = Quota::new(one, LONGEST).unwrap().burst(NonZeroU32::MAX);
        assert!(slow.time_for(f64::from(u32::MAX)) > LONGEST);
    }
}
