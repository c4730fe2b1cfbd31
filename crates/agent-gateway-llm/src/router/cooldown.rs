//! A model that fails again and again is given a rest: calls of that time fail at once, so that a fallback gets its turn.
//!
//! Counted are failures of whole calls, their retries included, by provider and model, while none succeeds. A refused key and a
//! wrong request are nobody's weakness and do not count. After the rest one call is let through; what becomes of it decides.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agent_gateway_core::{Error, ErrorKind, Retry, id::ModelName};
use tokio::time::Instant;

/// The most models that are watched; only those that failed lately are.
const MAX_WATCHED: usize = 1024;

/// When a model is given a rest, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// So many calls refused for their rate are allowed one after the other, one more gives a rest: 5. None: they do not count.
    pub rate_limits: Option<u32>,
    /// The same for calls that took too long, found nobody or met a server error: 3.
    pub failures: Option<u32>,
    /// Failures further apart than this do not belong together: 60 s.
    pub window: Duration,
    /// The longest rest: 60 s. A provider that asks for a shorter wait is given that.
    pub rest: Duration,
}

impl Default for Cooldown {
    fn default() -> Self {
        let minute = Duration::from_secs(60);
        Self { rate_limits: Some(5), failures: Some(3), window: minute, rest: minute }
    }
}

/// Who rests.
#[derive(Debug)]
pub(super) struct Rests {
    rules: Cooldown,
    troubled: Mutex<HashMap<Key, Trouble>>,
}

type Key = (String, ModelName);

/// A model that failed lately.
#[derive(Debug)]
struct Trouble {
    rate_limits: u32,
    failures: u32,
    latest: Instant,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is asked as usual.
    Counting,
    /// It is not asked before this time, because of that.
    Resting { until: Instant, why: ErrorKind },
    /// One call is under way that decides.
    Probing { why: ErrorKind },
}

/// One call that was let through. What becomes of it must be told; a call that is dropped tells nothing.
#[derive(Debug)]
pub(super) struct Permit {
    rests: Arc<Rests>,
    key: Key,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Open,
    Told,
}

impl Rests {
    pub(super) fn new(rules: Cooldown) -> Self {
        Self { rules, troubled: Mutex::default() }
    }

    /// Lets a call to `model` of `provider` through, or says how long it rests.
    pub(super) fn ask(self: &Arc<Self>, provider: &str, model: &ModelName) -> Result<Permit, Error> {
        let key = (provider.to_owned(), model.clone());
        let mut troubled = self.lock();
        if let Some(trouble) = troubled.get_mut(&key) {
            match trouble.state {
                State::Counting => {}
                State::Resting { until, why } => {
                    let left = until.saturating_duration_since(Instant::now());
                    if !left.is_zero() {
                        return Err(resting(&key, why, Some(left)));
                    }
                    trouble.state = State::Probing { why };
                }
                State::Probing { why } => return Err(resting(&key, why, None)),
            }
        }
        drop(troubled);
        Ok(Permit { rests: self.clone(), key, verdict: Verdict::Open })
    }

    fn failed(&self, key: &Key, error: &Error) {
        let mut troubled = self.lock();
        let kind = error.kind();
        let counts = match kind {
            ErrorKind::RateLimited => self.rules.rate_limits,
            ErrorKind::Timeout | ErrorKind::Unavailable => self.rules.failures,
            // The provider answered; that it refused is another matter.
            _ => None,
        };
        let Some(limit) = counts else {
            if let Some(trouble) = troubled.get_mut(key).filter(|trouble| trouble.state != State::Counting) {
                *trouble = Trouble::new();
            }
            return;
        };
        let now = Instant::now();
        if !troubled.contains_key(key) && !self.make_room(&mut troubled, now) {
            return;
        }
        let trouble = troubled.entry(key.clone()).or_insert_with(Trouble::new);
        if now.duration_since(trouble.latest) > self.rules.window && trouble.state == State::Counting {
            *trouble = Trouble::new();
        }
        trouble.latest = now;
        let count =
            if kind == ErrorKind::RateLimited { &mut trouble.rate_limits } else { &mut trouble.failures };
        *count = count.saturating_add(1);
        let again = matches!(trouble.state, State::Probing { .. });
        if again || *count > limit {
            let asked = match error.retry() {
                Retry::Later(Some(wait)) => wait.max(Duration::from_secs(1)),
                _ => self.rules.rest,
            };
            let until = now + asked.min(self.rules.rest);
            *trouble = Trouble { state: State::Resting { until, why: kind }, latest: now, ..Trouble::new() };
        }
    }

    fn succeeded(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// A probe that told nothing: the next call may be one.
    fn abandoned(&self, key: &Key) {
        if let Some(trouble) = self.lock().get_mut(key)
            && let State::Probing { why } = trouble.state
        {
            trouble.state = State::Resting { until: Instant::now(), why };
        }
    }

    /// Forgets what is long past; whether there is room then.
    fn make_room(&self, troubled: &mut HashMap<Key, Trouble>, now: Instant) -> bool {
        if troubled.len() >= MAX_WATCHED {
            troubled.retain(|_, trouble| match trouble.state {
                State::Counting => now.duration_since(trouble.latest) <= self.rules.window,
                State::Resting { until, .. } => until > now,
                State::Probing { .. } => true,
            });
        }
        troubled.len() < MAX_WATCHED
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Trouble>> {
        self.troubled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trouble {
    fn new() -> Self {
        Self { rate_limits: 0, failures: 0, latest: Instant::now(), state: State::Counting }
    }
}

impl Permit {
    /// The call failed so.
    pub(super) fn failed(mut self, error: &Error) {
        self.verdict = Verdict::Told;
        self.rests.failed(&self.key, error);
    }

    /// The call came to its end.
    pub(super) fn succeeded(mut self) {
        self.verdict = Verdict::Told;
        self.rests.succeeded(&self.key);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.verdict == Verdict::Open {
            self.rests.abandoned(&self.key);
        }
    }
}

fn resting((provider, model): &Key, why: ErrorKind, left: Option<Duration>) -> Error {
    let long = match left {
        Some(left) => format!("for {} s more", left.as_secs_f64().ceil()),
        None => "while one call finds out whether it is back".to_owned(),
    };
    let message =
        format!("{model} of the model provider {provider} failed repeatedly and is not asked {long}");
    let kind = if why == ErrorKind::RateLimited { why } else { ErrorKind::Unavailable };
    Error::new(kind, message).retry_as(Retry::Later(left)).during("model.route")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rests() -> Arc<Rests> {
        Arc::new(Rests::new(Cooldown::default()))
    }

    fn name(text: &str) -> ModelName {
        ModelName::new(text).unwrap()
    }

    fn ask(rests: &Arc<Rests>) -> Result<Permit, Error> {
        rests.ask("acme", &name("m"))
    }

    fn fail(rests: &Arc<Rests>, error: &Error) {
        ask(rests).unwrap().failed(error);
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn three_timeouts_or_five_rate_limits_are_allowed_and_one_more_gives_a_rest() {
        let kinds = [
            (Error::timeout("t"), 3, ErrorKind::Unavailable),
            (Error::unavailable("u"), 3, ErrorKind::Unavailable),
            (Error::rate_limited("r").retry_as(Retry::Exhausted), 5, ErrorKind::RateLimited),
        ];
        for (error, count, kind) in kinds {
            let rests = rests();
            for _ in 0..count {
                fail(&rests, &error);
            }
            assert!(ask(&rests).is_ok());
            fail(&rests, &error);
            let refused = ask(&rests).unwrap_err();
            assert_eq!(
                (refused.kind(), refused.retry()),
                (kind, Retry::Later(Some(Duration::from_secs(60))))
            );
            assert_eq!(
                refused.message(),
                "m of the model provider acme failed repeatedly and is not asked for 60 s more"
            );
            // Others are asked.
            assert!(rests.ask("acme", &name("other")).is_ok() && rests.ask("other", &name("m")).is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_the_providers_weakness_does_not_count() {
        let rests = rests();
        for _ in 0..20 {
            fail(&rests, &Error::misconfigured("the key"));
            fail(&rests, &Error::invalid("the request"));
        }
        assert!(ask(&rests).is_ok());
        assert!(rests.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn success_and_time_let_failures_be_forgotten() {
        let rests = rests();
        for _ in 0..10 {
            fail(&rests, &Error::timeout("t"));
            fail(&rests, &Error::timeout("t"));
            ask(&rests).unwrap().succeeded();
        }
        assert!(rests.lock().is_empty());
        for _ in 0..10 {
            fail(&rests, &Error::timeout("t"));
            pass(61).await;
        }
        assert!(ask(&rests).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_finds_out_and_decides() {
        let rests = rests();
        let exhaust = || (0..4).for_each(|_| fail(&rests, &Error::timeout("t")));
        exhaust();
        pass(59).await;
        assert!(ask(&rests).is_err());
        pass(1).await;
        let probe = ask(&rests).unwrap();
        let waiting = ask(&rests).unwrap_err();
        assert!(waiting.message().ends_with("while one call finds out whether it is back"), "{waiting}");
        // It failed: another rest.
        probe.failed(&Error::timeout("t"));
        assert_eq!(ask(&rests).unwrap_err().retry(), Retry::Later(Some(Duration::from_secs(60))));
        pass(60).await;
        // It was dropped: the next one finds out.
        drop(ask(&rests).unwrap());
        // The provider answered, though it refused: it is back.
        ask(&rests).unwrap().failed(&Error::invalid("no"));
        assert!(ask(&rests).is_ok() && ask(&rests).is_ok());
        exhaust();
        pass(60).await;
        ask(&rests).unwrap().succeeded();
        assert!(rests.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_may_ask_for_a_shorter_rest_and_for_no_longer_one() {
        for (asked, given) in [(10, 10), (3600, 60), (0, 1)] {
            let rests = rests();
            let error = || Error::rate_limited("r").retry_as(Retry::Later(Some(Duration::from_secs(asked))));
            (0..6).for_each(|_| fail(&rests, &error()));
            let left = ask(&rests).unwrap_err().retry();
            assert_eq!(left, Retry::Later(Some(Duration::from_secs(given))), "{asked}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_and_the_past_makes_room() {
        let rests = rests();
        let fail_of = |number: usize| {
            let permit = rests.ask("acme", &name(&format!("m{number}"))).unwrap();
            permit.failed(&Error::timeout("t"));
        };
        (0..MAX_WATCHED * 2).for_each(fail_of);
        assert_eq!(rests.lock().len(), MAX_WATCHED);
        pass(61).await;
        fail_of(0);
        fail_of(MAX_WATCHED * 3);
        assert!(rests.lock().len() <= 2 + MAX_WATCHED / 2, "{}", rests.lock().len());
    }

    proptest! {
        /// Whatever happens: a rest ends within a minute, and one success makes all well.
        #[test]
        fn no_history_shuts_a_model_out(history in prop::collection::vec((0..5u8, 0..90u64), 0..60)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.unwrap().block_on(async {
                let rests = rests();
                for (what, seconds) in history {
                    if let Ok(permit) = ask(&rests) {
                        match what {
                            0 => permit.failed(&Error::timeout("t")),
                            1 => permit.failed(&Error::rate_limited("r")),
                            2 => permit.failed(&Error::invalid("i")),
                            3 => permit.succeeded(),
                            _ => drop(permit),
                        }
                    }
                    pass(seconds).await;
                }
                pass(60).await;
                ask(&rests).unwrap().succeeded();
                assert!(rests.lock().is_empty());
            });
        }
    }
}
