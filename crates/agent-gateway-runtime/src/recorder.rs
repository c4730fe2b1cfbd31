//! Writes a run's log and its end.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, ErrorKind, Result, Timestamp,
    clock::Clock,
    execution::{Advanced, Cursor, Fence, LogEntry, LogEvent, Outcome, Transition},
    id::ExecutionId,
    ports::persistence::PersistenceBackend,
    principal::Principal,
};
use agent_gateway_engine::{Ended, Recorder};
use async_trait::async_trait;
use tokio::sync::Mutex;

/// How long to wait before the end of a run is stored again.
const RETRY_PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(20)];

/// The log of one attempt to run an execution.
#[derive(Debug)]
pub(crate) struct StoreRecorder {
    persistence: Arc<dyn PersistenceBackend>,
    clock: Arc<dyn Clock>,
    id: ExecutionId,
    fence: Fence,
    tail: Mutex<Tail>,
}

/// The end of the log. An append that was cut off may have been stored, so its entries are written again, as they were.
#[derive(Debug)]
struct Tail {
    last: Cursor,
    unconfirmed: Vec<LogEntry>,
}

impl Tail {
    fn push(&mut self, event: LogEvent, at: Timestamp) {
        self.last = self.last.next();
        self.unconfirmed.push(LogEntry { sequence: self.last, at, event });
    }
}

impl StoreRecorder {
    /// Continues the log behind `last` under `fence`.
    pub(crate) fn new(
        persistence: Arc<dyn PersistenceBackend>,
        clock: Arc<dyn Clock>,
        id: ExecutionId,
        fence: Fence,
        last: Cursor,
    ) -> Self {
        Self { persistence, clock, id, fence, tail: Mutex::new(Tail { last, unconfirmed: Vec::new() }) }
    }

    /// Stores the end of the run with what the log lacks. The answer is what is stored: another's end, when that came first.
    pub(crate) async fn settle(&self, ended: Ended) -> Result<Arc<Outcome>> {
        let mut tail = self.tail.lock().await;
        let at = self.clock.now();
        for event in ended.unrecorded {
            tail.push(event, at);
        }
        let entries = std::mem::take(&mut tail.unconfirmed);
        let outcome = Arc::new(ended.outcome);
        let change = Transition::Finish { outcome: Box::new(Outcome::clone(&outcome)), entries, at };
        match self.store(&change).await? {
            Advanced::Applied => Ok(outcome),
            Advanced::Refused { .. } => self.stored().await,
        }
    }

    /// Stores the end, and tries again when the store is away for a moment: the work is done and paid for.
    async fn store(&self, change: &Transition) -> Result<Advanced> {
        for pause in RETRY_PAUSES {
            match self.persistence.executions().advance(&self.id, self.fence, change).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(execution_id = %self.id, error = ?error, "the end of an execution is not stored yet");
                    tokio::time::sleep(pause).await;
                }
                stored => return stored,
            }
        }
        self.persistence.executions().advance(&self.id, self.fence, change).await
    }

    /// How the execution ended in the store, where it ended: by a try of ours whose answer was lost, or by another hand.
    async fn stored(&self) -> Result<Arc<Outcome>> {
        let everything = Principal::system().visibility();
        let stored = self.persistence.executions().get(&self.id, &everything).await?;
        let outcome = stored.filter(|stored| stored.status.is_final()).and_then(|stored| stored.result);
        outcome
            .and_then(|result| serde_json::from_value(result).ok())
            .map(Arc::new)
            .ok_or_else(|| Error::conflict("another attempt runs this execution").with("execution", &self.id))
    }
}

#[async_trait]
impl Recorder for StoreRecorder {
    async fn record(&self, event: LogEvent) -> Result<()> {
        let mut tail = self.tail.lock().await;
        tail.push(event, self.clock.now());
        self.persistence.executions().append(&self.id, self.fence, &tail.unconfirmed).await?;
        tail.unconfirmed.clear();
        Ok(())
    }
}
