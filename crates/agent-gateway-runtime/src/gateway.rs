//! The running gateway.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{Error, Result, capability::Durability};
use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::info_span;

use crate::{
    Approvals, Authenticator, Catalogue, Executions, Ports, Recipe, Sessions, Setups, Snapshot,
    farewell::{self, Farewell},
    handover::{self, Handover},
    presence,
    recovery::{self, Recovery},
    resumption,
    running::Running,
    tasks::{Drained, TaskSet},
    turns::Turns,
    worker,
};

/// Runs agents until it is shut down. Protocols take its handles; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    alive: Arc<Alive>,
    authenticator: Authenticator,
}

/// Held by the gateway and by every handle. When the last one goes, the tasks beside them stop.
#[derive(Debug)]
pub(crate) struct Alive(CancellationToken);

impl Alive {
    /// For what the gateway does itself, which keeps nothing alive.
    pub(crate) fn detached() -> Arc<Self> {
        Arc::new(Self(CancellationToken::new()))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// How much the gateway takes on at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Executions that callers wait for at the same time.
    pub max_running: usize,
    /// Queued executions that run here at the same time; with none they are left to other processes.
    pub workers: usize,
    /// How often a queued execution is tried again after a fault.
    pub max_retries: u32,
    /// How long a worker holds a job before it must say that it is alive.
    pub visibility: Duration,
    /// How long a shutdown waits for executions under way.
    pub drain: Duration,
    /// Messages of a conversation that the model is shown.
    pub max_history: u32,
    /// What becomes of executions that other processes left unfinished.
    pub orphans: Orphans,
}

/// What becomes of executions that other processes left unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// This process runs them on or ends them.
    #[default]
    Adopted,
    /// They wait for a process that stays.
    Left,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_running: 4096,
            workers: 4,
            max_retries: 3,
            visibility: Duration::from_secs(300),
            drain: Duration::from_secs(30),
            max_history: 100,
            orphans: Orphans::default(),
        }
    }
}

/// What the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) recipe: Recipe,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) running: Running,
    pub(crate) turns: Turns,
    pub(crate) recovery: Recovery,
    pub(crate) tasks: TaskSet,
    /// What must not stop before everything else has.
    pub(crate) heart: TaskSet,
    pub(crate) reloading: Mutex<()>,
    pub(crate) handover: Handover,
    pub(crate) farewell: Farewell,
    pub(crate) limits: Limits,
}

impl Shared {
    /// Whether the queue outlives this process, and sees to what waits in it.
    pub(crate) fn hands_over(&self) -> bool {
        self.ports.queue.capability().durability == Durability::Durable
    }
}

impl Gateway {
    /// Serves `snapshot`, and starts the workers. Reading again makes its snapshots by `recipe`.
    ///
    /// It must be called within a tokio runtime.
    #[must_use]
    pub fn start(
        ports: Ports,
        recipe: Recipe,
        snapshot: Snapshot,
        authenticator: Authenticator,
        limits: Limits,
    ) -> Self {
        let shared = Arc::new(Shared {
            ports,
            recipe,
            snapshot: ArcSwap::from_pointee(snapshot),
            running: Running::new(limits.max_running),
            turns: Turns::default(),
            recovery: Recovery::new(limits.workers),
            tasks: TaskSet::default(),
            heart: TaskSet::default(),
            reloading: Mutex::new(()),
            handover: Handover::default(),
            farewell: Farewell::default(),
            limits,
        });
        if limits.workers > 0 {
            shared.tasks.keep(info_span!("workers"), on(&shared, worker::work));
        }
        if shared.hands_over() {
            shared.tasks.keep(info_span!("handover"), on(&shared, handover::hand_over));
        }
        shared.heart.keep(info_span!("cancellations"), on(&shared, worker::listen_for_cancellations));
        shared.tasks.keep(info_span!("recovery"), on(&shared, recovery::watch));
        shared.tasks.keep(info_span!("resumption"), on(&shared, resumption::watch));
        shared.heart.keep(info_span!("heart"), on(&shared, presence::beat));
        let alive = Arc::new(Alive(shared.tasks.stopping().clone()));
        Self { shared, alive, authenticator }
    }

    /// Submits, reads and cancels executions.
    #[must_use]
    pub fn executions(&self) -> Executions {
        Executions { shared: self.shared.clone(), alive: self.alive.clone() }
    }

    /// Reads and deletes sessions.
    #[must_use]
    pub fn sessions(&self) -> Sessions {
        Sessions { shared: self.shared.clone(), alive: self.alive.clone() }
    }

    /// Reads and decides on tool calls that wait for a person.
    #[must_use]
    pub fn approvals(&self) -> Approvals {
        Approvals { shared: self.shared.clone(), _alive: self.alive.clone() }
    }

    /// Reads, saves and deletes users' settings of personal agents.
    #[must_use]
    pub fn setups(&self) -> Setups {
        Setups { shared: self.shared.clone(), _alive: self.alive.clone() }
    }

    /// Reads agents, skills, tools and health.
    #[must_use]
    pub fn catalogue(&self) -> Catalogue {
        Catalogue { shared: self.shared.clone(), _alive: self.alive.clone() }
    }

    /// Tells who a caller is.
    #[must_use]
    pub fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Takes nothing new from now on. The time that [`shutdown`](Self::shutdown) gives to what is under way begins here.
    pub fn stop_intake(&self) {
        self.shared.farewell.begin(self.shared.limits.drain);
        self.shared.tasks.stopping().cancel();
    }

    /// Takes nothing new, waits for what is under way, cancels what takes too long, and closes the backends. Safe to repeat.
    pub async fn shutdown(&self) -> Result<()> {
        self.stop_intake();
        let shared = &self.shared;
        if shared.tasks.drain(shared.farewell.time_left()).await == Drained::TimedOut {
            tracing::warn!(
                "executions are still under way: they are stopped here, and given back where somebody may go on with them"
            );
            shared.running.cancel_all();
            shared.tasks.drain(farewell::PATIENCE).await;
        }
        shared.heart.stopping().cancel();
        shared.heart.drain(farewell::PATIENCE).await;
        let (ports, queue, store) = (&shared.ports, &shared.ports.queue, &shared.ports.persistence);
        // What is not finished is somebody else's from now on, or the next process's. A store that does not answer must not
        // keep the queue from being told.
        for (told, what) in [
            (
                within(farewell::PATIENCE, shared.handover.flush(ports)).await,
                "which executions wait in the queue",
            ),
            (within(farewell::PATIENCE, ports.presence.retire(ports)).await, "that this process ends"),
        ] {
            if let Err(error) = told {
                tracing::warn!(error = ?error, "the others are not told {what}; they will find out");
            }
        }
        shared.farewell.release(ports).await;
        let queue = within(CLOSING, queue.close()).await;
        within(CLOSING, store.close()).await.and(queue)
    }
}

/// Begins a task of this gateway.
fn on<F: 'static>(shared: &Arc<Shared>, task: fn(Arc<Shared>) -> F) -> impl Fn() -> F + Send + 'static {
    let shared = shared.clone();
    move || task(shared.clone())
}

/// A step of the farewell, which has its time.
async fn within(limit: Duration, step: impl Future<Output = Result<()>>) -> Result<()> {
    match tokio::time::timeout(limit, step).await {
        Ok(done) => done,
        Err(_) => Err(Error::timeout("a backend did not answer in time while the gateway stopped")),
    }
}

/// How long a backend has to store what it accepted and to close.
const CLOSING: Duration = Duration::from_secs(30);
