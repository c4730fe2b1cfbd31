//! The executions that this process runs: how many may, and how each is stopped.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::id::ExecutionId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::live::Live;

/// Executions under way by id.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    table: Arc<Mutex<Table>>,
    room: Arc<Semaphore>,
    all: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    seats: HashMap<ExecutionId, Held>,
    tickets: u64,
}

/// What the others know of an execution under way.
#[derive(Debug)]
struct Held {
    ticket: u64,
    cancel: CancellationToken,
    live: Arc<Live>,
}

/// An execution's place among the running; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Running,
    id: ExecutionId,
    ticket: u64,
    cancel: CancellationToken,
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
        Some(self.enter(id, Some(room)))
    }

    /// A place for an execution that a worker runs: the workers are its bound.
    pub(crate) fn work(&self, id: &ExecutionId) -> Seat {
        self.enter(id, None)
    }

    fn enter(&self, id: &ExecutionId, room: Option<OwnedSemaphorePermit>) -> Seat {
        let (cancel, live) = (self.all.child_token(), Arc::new(Live::new()));
        let mut table = self.table();
        table.tickets += 1;
        let ticket = table.tickets;
        table.seats.insert(id.clone(), Held { ticket, cancel: cancel.clone(), live: live.clone() });
        drop(table);
        Seat { running: self.clone(), id: id.clone(), ticket, cancel, live, _room: room }
    }

    /// Stops an execution of this process; answers whether there is one.
    pub(crate) fn cancel(&self, id: &ExecutionId) -> bool {
        let token = self.table().seats.get(id).map(|held| held.cancel.clone());
        token.inspect(CancellationToken::cancel).is_some()
    }

    /// What an execution of this process does.
    pub(crate) fn live(&self, id: &ExecutionId) -> Option<Arc<Live>> {
        self.table().seats.get(id).map(|held| held.live.clone())
    }

    /// Whether every execution of this process is being stopped.
    pub(crate) fn is_stopping(&self) -> bool {
        self.all.is_cancelled()
    }

    /// Stops every execution of this process.
    pub(crate) fn cancel_all(&self) {
        self.all.cancel();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Fires when the execution is to stop.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Where those who watch look.
    pub(crate) fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for Seat {
    /// A later attempt of the same execution may have taken the place meanwhile; that one stays.
    fn drop(&mut self) {
        let mut table = self.running.table();
        if table.seats.get(&self.id).is_some_and(|held| held.ticket == self.ticket) {
            table.seats.remove(&self.id);
        }
    }
}
