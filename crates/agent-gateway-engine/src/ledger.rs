//! What a tree of runs has consumed, held against the limits of all that are concerned.
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::{
    capability::Price,
    execution::{Limits, StopReason},
};
use tokio::sync::Notify;

/// The fewest tokens of an answer that are worth asking for.
const LEAST_OUTPUT: u64 = 16;

/// The account of one run, and of those that it delegates to.
///
/// Before a model is asked, the most that the call may consume is reserved in the run's own ledger and in those of all runs
/// above it, so that no limit is passed, however many of them ask at the same time.
#[derive(Debug)]
pub struct Ledger {
    max_tokens: Option<u64>,
    max_cost_usd: Option<f64>,
    max_delegations: u32,
    parent: Option<Arc<Ledger>>,
    account: Mutex<Account>,
    /// Told at the root of the tree when a reservation is given back.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Account {
    tokens: u64,
    cost_usd: f64,
    reserved_tokens: u64,
    reserved_cost_usd: f64,
    /// The keys of the runs that were delegated to.
    delegations: HashSet<String>,
}

/// A limit that stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// That of tokens.
    Tokens,
    /// That of cost.
    Cost,
    /// That of cost, and the price of the model is not known, so that nobody can tell.
    Unpriced,
    /// So many runs were delegated to.
    Delegations(u32),
}

/// What a model call may consume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The most tokens that it reads.
    pub(crate) input: u64,
    /// The most tokens that it writes; `None`: as many as the provider lets it.
    pub(crate) output: Option<u32>,
    /// What it costs.
    pub(crate) price: Option<Price>,
}

/// Room for one model call. What is not settled is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    ledger: Arc<Ledger>,
    tokens: u64,
    cost_usd: f64,
    /// The most tokens that the call may write.
    pub(crate) output: Option<u32>,
    /// The limit for which that is less than what was wanted.
    pub(crate) lowered: Option<StopReason>,
}

/// What became of an attempt to reserve.
enum Tried {
    Reserved(Reservation),
    /// There is room as soon as calls under way are settled.
    Later,
}

impl Ledger {
    /// The ledger of a run with these limits, below that of the run that delegated to it.
    #[must_use]
    pub fn open(limits: &Limits, parent: Option<&Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            max_tokens: limits.max_tokens,
            max_cost_usd: limits.max_cost_usd,
            max_delegations: limits.max_delegations,
            parent: parent.cloned(),
            account: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Adds what a run below this one consumed before this process had the tree, and the key that it was begun with. The
    /// ledgers above have their own sums.
    pub fn add_past(&self, tokens: u64, cost_usd: f64, key: &str) {
        let mut account = self.account();
        account.tokens = account.tokens.saturating_add(tokens);
        account.cost_usd += cost_usd;
        account.delegations.insert(key.to_owned());
    }

    /// Whether any limit of tokens or cost concerns this run.
    pub(crate) fn is_limited(&self) -> bool {
        self.chain().any(|ledger| ledger.max_tokens.is_some() || ledger.max_cost_usd.is_some())
    }

    /// Counts what a turn of an earlier attempt consumed.
    pub(crate) fn charge(&self, tokens: u64, cost_usd: f64) {
        for ledger in self.chain() {
            let mut account = ledger.account();
            account.tokens = account.tokens.saturating_add(tokens);
            account.cost_usd += cost_usd;
        }
    }

    /// Counts a run that is delegated to, once for each key, in the whole tree.
    pub(crate) fn begin_delegation(&self, key: &str) -> Result<(), Reached> {
        let root = self.root();
        let mut account = root.account();
        if account.delegations.contains(key) {
            return Ok(());
        }
        let begun = u32::try_from(account.delegations.len()).unwrap_or(u32::MAX);
        if begun >= root.max_delegations {
            return Err(Reached::Delegations(root.max_delegations));
        }
        account.delegations.insert(key.to_owned());
        Ok(())
    }

    /// Takes back a count: that run was not begun.
    pub(crate) fn forget_delegation(&self, key: &str) {
        self.root().account().delegations.remove(key);
    }

    /// What is left of tokens and of cost, in the narrowest of the limits concerned.
    pub(crate) fn left(&self) -> (Option<u64>, Option<f64>) {
        let (mut tokens, mut cost_usd): (Option<u64>, Option<f64>) = (None, None);
        for ledger in self.chain() {
            let account = ledger.account();
            if let Some(most) = ledger.max_tokens {
                let left = most.saturating_sub(account.tokens);
                tokens = Some(tokens.map_or(left, |tokens| tokens.min(left)));
            }
            if let Some(most) = ledger.max_cost_usd {
                let left = (most - account.cost_usd).max(0.0);
                cost_usd = Some(cost_usd.map_or(left, |cost| cost.min(left)));
            }
        }
        (tokens, cost_usd)
    }

    /// Reserves room for a model call, with as much output as is left. Where only the reservations of others are in the way,
    /// it waits for them: they last as long as one model call.
    pub(crate) async fn reserve(self: &Arc<Self>, wanted: &Wanted) -> Result<Reservation, Reached> {
        let root = self.root();
        loop {
            let mut freed = std::pin::pin!(root.freed.notified());
            freed.as_mut().enable();
            match self.try_reserve(wanted)? {
                Tried::Reserved(reservation) => return Ok(reservation),
                Tried::Later => freed.await,
            }
        }
    }

    fn try_reserve(self: &Arc<Self>, wanted: &Wanted) -> Result<Tried, Reached> {
        // Always from the run upwards, so that no two hold what the other one waits for.
        let mut accounts: Vec<(&Self, MutexGuard<'_, Account>)> =
            self.chain().map(|ledger| (ledger, ledger.account())).collect();
        let most = u64::from(wanted.output.unwrap_or(u32::MAX));
        let (mut now, mut alone, mut lowered) = (most, most, None);
        for (ledger, account) in &accounts {
            if let Some(limit) = ledger.max_tokens {
                let left = limit.saturating_sub(account.tokens).saturating_sub(wanted.input);
                if left < alone {
                    (alone, lowered) = (left, Some(StopReason::MaxTokens));
                }
                now = now.min(left.saturating_sub(account.reserved_tokens));
            }
            if let Some(limit) = ledger.max_cost_usd {
                let price = wanted.price.ok_or(Reached::Unpriced)?;
                let left = limit - account.cost_usd - input_cost(&price, wanted.input);
                let affordable = affordable(&price, left);
                if affordable < alone {
                    (alone, lowered) = (affordable, Some(StopReason::MaxCost));
                }
                now = now.min(self::affordable(&price, left - account.reserved_cost_usd));
            }
        }
        if alone < most.clamp(1, LEAST_OUTPUT) {
            return Err(if lowered == Some(StopReason::MaxCost) { Reached::Cost } else { Reached::Tokens });
        }
        if now < alone {
            return Ok(Tried::Later);
        }
        let tokens = wanted.input.saturating_add(alone);
        let cost_usd = wanted
            .price
            .map_or(0.0, |price| input_cost(&price, wanted.input) + alone as f64 * price.output / 1e6);
        for (_, account) in &mut accounts {
            account.reserved_tokens = account.reserved_tokens.saturating_add(tokens);
            account.reserved_cost_usd += cost_usd;
        }
        let output = lowered.map_or(wanted.output, |_| u32::try_from(alone).ok());
        Ok(Tried::Reserved(Reservation { ledger: self.clone(), tokens, cost_usd, output, lowered }))
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |ledger| ledger.parent.as_deref())
    }

    fn root(&self) -> &Self {
        self.chain().last().unwrap_or(self)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Puts what was consumed in the place of what was reserved.
    pub(crate) fn settle(self, tokens: u64, cost_usd: f64) {
        self.ledger.charge(tokens, cost_usd);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        for ledger in self.ledger.chain() {
            let mut account = ledger.account();
            account.reserved_tokens = account.reserved_tokens.saturating_sub(self.tokens);
            // What is left over of adding and subtracting fractions must not stay reserved.
            account.reserved_cost_usd = match account.reserved_tokens {
                0 => 0.0,
                _ => (account.reserved_cost_usd - self.cost_usd).max(0.0),
            };
        }
        self.ledger.root().freed.notify_waiters();
    }
}

/// The most that reading so many tokens can cost.
fn input_cost(price: &Price, tokens: u64) -> f64 {
    tokens as f64 * price.input.max(price.cached_input) / 1e6
}

/// How many tokens can be written for so much.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casting a float to an integer saturates, which is what is wanted"
)]
fn affordable(price: &Price, left_usd: f64) -> u64 {
    match left_usd {
        left if left < 0.0 => 0,
        _ if price.output <= 0.0 => u64::MAX,
        left => (left * 1e6 / price.output) as u64,
    }
}
