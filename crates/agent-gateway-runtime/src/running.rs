//! The executions that this process runs: how many may, and how each is stopped.
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use agent_gateway_core::{execution::Execution, id::ExecutionId};
use agent_gateway_engine::Ledger;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::live::Live;

/// Executions under way by id.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    table: Arc<Mutex<HashMap<ExecutionId, Held>>>,
    room: Arc<Semaphore>,
    all: CancellationToken,
}

/// What the others know of an execution under way.
#[derive(Debug)]
struct Held {
    cancel: CancellationToken,
    asked: CancellationToken,
    gone: CancellationToken,
    live: Arc<Live>,
    /// What the runs that it delegates to draw on; empty until it has begun.
    ledger: OnceLock<Arc<Ledger>>,
}

/// An execution's place among the running; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Running,
    id: ExecutionId,
    cancel: CancellationToken,
    asked: CancellationToken,
    gone: CancellationToken,
    live: Arc<Live>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Running {
    /// Room for `most` executions that callers wait for.
    pub(crate) fn new(most: usize) -> Self {
        let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { table: Arc::default(), room, all: CancellationToken::new() }
    }

    /// A place for an execution that a caller waits for; `None` when there is no room.
    pub(crate) fn wait(&self, id: &ExecutionId) -> Option<Seat> {
        let room = self.room.clone().try_acquire_owned().ok()?;
        self.enter(id, Some(room))
    }

    /// A place for an execution that a worker runs: the workers are its bound. `None` when it runs here already.
    pub(crate) fn work(&self, id: &ExecutionId) -> Option<Seat> {
        self.enter(id, None)
    }

    fn enter(&self, id: &ExecutionId, room: Option<OwnedSemaphorePermit>) -> Option<Seat> {
        let (cancel, live) = (self.all.child_token(), Arc::new(Live::new()));
        let (asked, gone) = (CancellationToken::new(), CancellationToken::new());
        let held = Held {
            cancel: cancel.clone(),
            asked: asked.clone(),
            gone: gone.clone(),
            live: live.clone(),
            ledger: OnceLock::new(),
        };
        match self.table().entry(id.clone()) {
            Entry::Occupied(_) => None,
            Entry::Vacant(free) => {
                free.insert(held);
                Some(Seat { running: self.clone(), id: id.clone(), cancel, asked, gone, live, _room: room })
            }
        }
    }

    /// Stops an execution of this process; what it answers fires when its place is free. `None` when there is none.
    pub(crate) fn cancel(&self, id: &ExecutionId) -> Option<CancellationToken> {
        let (asked, cancel, gone) =
            self.table().get(id).map(|held| (held.asked.clone(), held.cancel.clone(), held.gone.clone()))?;
        asked.cancel();
        cancel.cancel();
        Some(gone)
    }

    /// What an execution of this process does.
    pub(crate) fn live(&self, id: &ExecutionId) -> Option<Arc<Live>> {
        self.table().get(id).map(|held| held.live.clone())
    }

    /// The account of the run that delegated to this one, where that runs here.
    pub(crate) fn ledger_of_parent(&self, execution: &Execution) -> Option<Arc<Ledger>> {
        let parent = execution.parent_execution_id.as_ref()?;
        self.table().get(parent)?.ledger.get().cloned()
    }

    /// Whether every execution of this process is being stopped.
    pub(crate) fn is_stopping(&self) -> bool {
        self.all.is_cancelled()
    }

    /// Stops every execution of this process.
    pub(crate) fn cancel_all(&self) {
        self.all.cancel();
    }

    fn table(&self) -> MutexGuard<'_, HashMap<ExecutionId, Held>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Fires when the execution is to stop.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Lets the runs that this one delegates to draw on its account.
    pub(crate) fn lend(&self, ledger: &Arc<Ledger>) {
        if let Some(held) = self.running.table().get(&self.id) {
            held.ledger.get_or_init(|| ledger.clone());
        }
    }

    /// Whether somebody asked for it, and not only the gateway's stop.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Where those who watch look.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.running.table().remove(&self.id);
        self.gone.cancel();
    }
}
