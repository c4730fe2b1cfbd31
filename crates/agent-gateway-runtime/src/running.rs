//! The executions that this process runs, so that they can be stopped.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use agent_gateway_core::id::ExecutionId;
use tokio_util::sync::CancellationToken;

/// Executions under way by id.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<ExecutionId, CancellationToken>>>);

/// An execution's place among the running; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Running,
    id: ExecutionId,
    cancel: CancellationToken,
}

impl Running {
    /// Takes a place. `all` stops every execution at once.
    pub(crate) fn enter(&self, id: ExecutionId, all: &CancellationToken) -> Seat {
        let cancel = all.child_token();
        self.table().insert(id.clone(), cancel.clone());
        Seat { running: self.clone(), id, cancel }
    }

    /// Stops an execution of this process; answers whether there is one.
    pub(crate) fn cancel(&self, id: &ExecutionId) -> bool {
        let token = self.table().get(id).cloned();
        token.inspect(CancellationToken::cancel).is_some()
    }

    pub(crate) fn len(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Fires when the execution is to stop.
    pub(crate) fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.running.table().remove(&self.id);
    }
}
