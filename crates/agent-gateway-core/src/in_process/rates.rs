use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use super::deadline;
use crate::{
    Error, Result, Retry,
    ports::rate::{self, Charged, Quota, RateStore},
};

/// The most keys that may have used units at the same time.
const MAX_KEYS: usize = 100_000;
/// How often a full table is searched for keys whose units are back.
const SWEEP: Duration = Duration::from_secs(1);

/// Rate limits of this process alone, measured in tokio's time.
///
/// A key is forgotten when its units are back. At most 100 000 keys are kept: a new one more is `RateLimited`, because
/// forgetting another instead would let whoever invents keys reset a limit.
#[derive(Debug)]
pub struct InProcessRates {
    state: Mutex<State>,
    max_keys: usize,
}

#[derive(Debug)]
struct State {
    buckets: HashMap<String, Bucket>,
    swept: Option<Instant>,
}

/// What is left of a key's units, since when, and when all are back.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
    full: Instant,
}

impl Default for InProcessRates {
    fn default() -> Self {
        let state = State { buckets: HashMap::new(), swept: None };
        Self { state: Mutex::new(state), max_keys: MAX_KEYS }
    }
}

impl InProcessRates {
    /// The same store for at most this many keys.
    #[must_use]
    pub fn max_keys(mut self, keys: NonZeroUsize) -> Self {
        self.max_keys = keys.get();
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes room for one key more; `Err` with the time after which there may be some.
    fn make_room(&mut self, max_keys: usize, now: Instant) -> Result<(), Duration> {
        if self.buckets.len() < max_keys {
            return Ok(());
        }
        // Searching costs as much as there are keys, so not every stranger may start it.
        if let Some(swept) = self.swept.filter(|swept| now < *swept + SWEEP) {
            return Err(swept + SWEEP - now);
        }
        self.buckets.retain(|_, bucket| bucket.full > now);
        self.swept = Some(now);
        if self.buckets.len() < max_keys { Ok(()) } else { Err(SWEEP) }
    }
}

#[async_trait]
impl RateStore for InProcessRates {
    async fn charge(&self, key: &str, cost: u32, quota: &Quota) -> Result<Charged> {
        let during = |error: Error| error.during("in-process.charge");
        rate::check(key, cost, quota).map_err(during)?;
        let burst = f64::from(quota.most().get());
        let now = Instant::now();
        let mut state = self.state();
        let there = match state.buckets.get(key) {
            Some(bucket) => (bucket.left + quota.units_in(now - bucket.at)).min(burst),
            None => burst,
        };
        let (charged, left) = rate::answer(quota, there, cost);
        if cost == 0 {
            return Ok(charged);
        }
        if !state.buckets.contains_key(key) {
            state.make_room(self.max_keys, now).map_err(|wait| {
                during(Error::rate_limited("too many keys have used units at the same time"))
                    .with("limit", self.max_keys)
                    .retry_as(Retry::Later(Some(wait)))
            })?;
        }
        let full = deadline::after(charged.standing().reset);
        state.buckets.insert(key.to_owned(), Bucket { left, at: now, full });
        Ok(charged)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::ErrorKind;

    fn per_minute(units: u32) -> Quota {
        Quota::new(NonZeroU32::new(units).unwrap(), Duration::from_secs(60)).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_denied_charge_passes_exactly_when_it_was_told() {
        let rates = InProcessRates::default();
        let quota = per_minute(7);
        let allowed = rates.charge("a", 7, &quota).await.unwrap();
        assert_eq!(allowed.standing().remaining, 0);
        let Charged::Denied { retry_after, .. } = rates.charge("a", 3, &quota).await.unwrap() else {
            panic!("nothing is left");
        };
        tokio::time::advance(retry_after - Duration::from_millis(1)).await;
        assert!(matches!(rates.charge("a", 3, &quota).await.unwrap(), Charged::Denied { .. }));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(matches!(rates.charge("a", 3, &quota).await.unwrap(), Charged::Allowed(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_bounded_and_make_room_when_their_units_are_back() {
        let rates = InProcessRates::default().max_keys(NonZeroUsize::new(2).unwrap());
        let quota = per_minute(60);
        for key in ["a", "b"] {
            let _ = rates.charge(key, 5, &quota).await.unwrap();
        }
        let full = rates.charge("c", 1, &quota).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::RateLimited);
        assert!(matches!(full.retry(), Retry::Later(Some(_))));
        assert!(matches!(rates.charge("c", 0, &quota).await.unwrap(), Charged::Allowed(_)));
        assert!(matches!(rates.charge("a", 1, &quota).await.unwrap(), Charged::Allowed(_)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(matches!(rates.charge("c", 1, &quota).await.unwrap(), Charged::Allowed(_)));
    }
}
