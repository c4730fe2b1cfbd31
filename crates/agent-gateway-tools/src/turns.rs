//! How many calls may have a process: a number for all tools together, most of it for one.
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use agent_gateway_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of all tools, and of each. No tool has more than three quarters of them: while the calls of one hang, the
/// others go on.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    all: Arc<Semaphore>,
    most_of_one: usize,
    /// By tool, as long as a call holds or awaits one.
    of: Mutex<HashMap<K, Weak<Semaphore>>>,
}

/// The right to one process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _both: [OwnedSemaphorePermit; 2],
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// `most` turns; 0 counts as 1.
    pub(crate) fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            all: Arc::new(Semaphore::new(most)),
            most_of_one: (most - most.div_ceil(4)).max(1),
            of: Mutex::default(),
        }
    }

    /// Waits for a turn: first come, first served, among the calls of the tool and then among the tools. The tool is
    /// told by a key that a reload keeps, so that it does not hand out the same turns again.
    pub(crate) async fn next(&self, key: &K) -> Result<Turn> {
        let closed = |_| Error::unavailable("the gateway is shutting down");
        // In this order: a call that waits for its own tool takes no place from others.
        let own = self.of(key).acquire_owned().await.map_err(closed)?;
        let one = Arc::clone(&self.all).acquire_owned().await.map_err(closed)?;
        Ok(Turn { _both: [own, one] })
    }

    fn of(&self, key: &K) -> Arc<Semaphore> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = of.get(key).and_then(Weak::upgrade) {
            return turns;
        }
        let turns = Arc::new(Semaphore::new(self.most_of_one));
        of.retain(|_, turns| turns.strong_count() > 0);
        of.insert(key.clone(), Arc::downgrade(&turns));
        turns
    }

    /// Lets nobody wait any longer.
    pub(crate) fn close(&self) {
        self.all.close();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.all.is_closed()
    }
}
