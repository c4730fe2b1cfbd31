//! The executions that this process runs: how many may, and how each is stopped.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agent_gateway_core::id::ExecutionId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// Executions under way by id.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    table: Arc<Mutex<Table>>,
    room: Arc<Semaphore>,
    all: CancellationToken,
}

#[derive(Debug, Default)]
struct Table {
    seats: HashMap<ExecutionId, (u64, CancellationToken)>,
    tickets: u64,
}

/// An execution's place among the running; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Running,
    id: ExecutionId,
    ticket: u64,
    cancel: CancellationToken,
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
        let cancel = self.all.child_token();
        let mut table = self.table();
        table.tickets += 1;
        let ticket = table.tickets;
        table.seats.insert(id.clone(), (ticket, cancel.clone()));
        drop(table);
        Seat { running: self.clone(), id: id.clone(), ticket, cancel, _room: room }
    }

    /// Stops an execution of this process; answers whether there is one.
    pub(crate) fn cancel(&self, id: &ExecutionId) -> bool {
        let token = self.table().seats.get(id).map(|(_, token)| token.clone());
        token.inspect(CancellationToken::cancel).is_some()
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
}

impl Drop for Seat {
    /// A later attempt of the same execution may have taken the place meanwhile; that one stays.
    fn drop(&mut self) {
        let mut table = self.running.table();
        if table.seats.get(&self.id).is_some_and(|(ticket, _)| *ticket == self.ticket) {
            table.seats.remove(&self.id);
        }
    }
}
