//! The workers of all `handler.py` tools: started when needed, kept warm, bounded in number.
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use agent_gateway_core::{Error, Result};
use tokio::time::{Instant, sleep};
use tokio_util::task::AbortOnDropHandle;

use super::worker::{Recipe, Worker};
use crate::{
    factory::FileToolSettings,
    process::BaseEnvironment,
    supervise::House,
    turns::{Turn, Turns},
};

/// At most `python_workers` processes. Workers of different tools share the number, never a process.
#[derive(Debug)]
pub(crate) struct Pool {
    house: House,
    base: BaseEnvironment,
    most: usize,
    max_calls: u64,
    idle_for: Duration,
    /// By handler.
    turns: Turns<PathBuf>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    idle: Vec<Idle>,
    /// Idle and busy ones.
    alive: usize,
    reaper: Option<AbortOnDropHandle<()>>,
}

#[derive(Debug)]
struct Idle {
    worker: Worker,
    recipe: Arc<Recipe>,
    since: Instant,
}

impl Pool {
    pub(crate) fn new(settings: &FileToolSettings, base: BaseEnvironment, house: House) -> Arc<Self> {
        Arc::new(Self {
            house,
            base,
            most: settings.python_workers.max(1),
            max_calls: settings.max_calls_per_worker.max(1),
            idle_for: settings.idle_timeout.max(Duration::from_millis(20)),
            turns: Turns::new(settings.python_workers),
            state: Mutex::default(),
        })
    }

    /// Waits for its turn, and gets a warm worker of this recipe or starts one.
    pub(crate) async fn lease(self: &Arc<Self>, recipe: &Arc<Recipe>) -> Result<Lease> {
        let turn = self.turns.next(&recipe.handler).await?;
        let mut lease =
            Lease { worker: None, pool: Arc::clone(self), recipe: Arc::clone(recipe), _turn: turn };
        lease.worker = self.take_idle(recipe);
        if lease.worker.is_none() {
            lease.worker = Some(self.start(recipe)?);
        }
        Ok(lease)
    }

    fn take_idle(&self, recipe: &Recipe) -> Option<Worker> {
        let mut state = self.lock();
        while let Some(found) = state.idle.iter().rposition(|idle| *idle.recipe == *recipe) {
            let mut worker = state.idle.remove(found).worker;
            if worker.is_alive() {
                return Some(worker);
            }
            state.alive -= 1;
        }
        None
    }

    fn start(self: &Arc<Self>, recipe: &Recipe) -> Result<Worker> {
        let evicted = {
            let mut state = self.lock();
            if state.reaper.is_none() {
                state.reaper = Some(self.house.spawn(reap(Arc::downgrade(self), self.house.clone())));
            }
            // Whoever has a turn may have a worker: where all places are taken, an idle one has to go.
            let full = state.alive >= self.most && !state.idle.is_empty();
            if !full {
                state.alive += 1;
            }
            full.then(|| state.idle.remove(0))
        };
        drop(evicted);
        Worker::start(recipe, &self.base, &self.house).map_err(|reason| {
            self.lock().alive -= 1;
            Error::unavailable("python3 could not be started")
                .during("tools.python")
                .with("program", recipe.python.display())
                .with("reason", reason)
        })
    }

    /// Kills the idle workers, and lets nobody wait any longer.
    pub(crate) async fn close(&self) {
        self.turns.close();
        for idle in self.forget(|_| true) {
            idle.worker.kill().await;
        }
    }

    fn forget(&self, which: impl Fn(&Idle) -> bool) -> Vec<Idle> {
        let mut state = self.lock();
        let (gone, kept) = std::mem::take(&mut state.idle).into_iter().partition(which);
        state.idle = kept;
        let gone: Vec<Idle> = gone;
        state.alive -= gone.len();
        gone
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kills workers that nobody has needed for a while.
async fn reap(pool: Weak<Pool>, house: House) {
    loop {
        let Some(idle_for) = pool.upgrade().map(|pool| pool.idle_for) else { return };
        tokio::select! {
            () = sleep(idle_for / 2) => {}
            () = house.closing() => return,
        }
        let Some(pool) = pool.upgrade() else { return };
        drop(pool.forget(|idle| idle.since.elapsed() >= idle_for));
    }
}

/// The use of one worker. Dropping it kills the worker; [`Lease::give_back`] keeps it.
#[derive(Debug)]
pub(crate) struct Lease {
    worker: Option<Worker>,
    pool: Arc<Pool>,
    recipe: Arc<Recipe>,
    // Last: the turn is another's only when the worker is gone or idle.
    _turn: Turn,
}

impl Lease {
    /// The worker, which is there until the lease ends.
    pub(crate) fn worker(&mut self) -> Result<&mut Worker> {
        self.worker.as_mut().ok_or_else(|| Error::unexpected("a lease without a worker"))
    }

    /// Keeps the worker warm for the next call, unless it has had its share of them.
    pub(crate) fn give_back(mut self) {
        if let Some(worker) = self.worker.take_if(|worker| worker.calls() < self.pool.max_calls) {
            let idle = Idle { worker, recipe: Arc::clone(&self.recipe), since: Instant::now() };
            let mut state = self.pool.lock();
            // Under the lock: either this sees that the pool is closed, or closing sees the worker.
            if self.pool.turns.is_closed() {
                state.alive -= 1;
            } else {
                state.idle.push(idle);
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            drop(worker);
            self.pool.lock().alive -= 1;
        }
    }
}
