//! Writes a run's log and its end, and shows both to those who watch.
use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use agent_gateway_core::{
    Error, ErrorKind, Result, Timestamp,
    approval::{Approval, AskedCall},
    clock::Clock,
    execution::{
        Advanced, Cursor, DraftPiece, ExecutionStatus, Fence, LogEntry, LogEvent, Outcome, RunOptions,
        Transition,
    },
    id::ExecutionId,
    message::Message,
    ports::persistence::PersistenceBackend,
    principal::Principal,
};
use agent_gateway_engine::Recorder;
use async_trait::async_trait;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::live::Live;

/// How long to wait before something of a run is stored again.
const RETRY_PAUSES: [Duration; 6] = [
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(8),
    Duration::from_secs(16),
];
/// How long text is gathered before it is stored.
const DRAFT_PAUSE: Duration = Duration::from_millis(250);

/// The log of one attempt to run an execution.
#[derive(Debug)]
pub(crate) struct StoreRecorder {
    persistence: Arc<dyn PersistenceBackend>,
    clock: Arc<dyn Clock>,
    id: ExecutionId,
    fence: Fence,
    live: Arc<Live>,
    tail: tokio::sync::Mutex<Tail>,
    draft: Mutex<Unstored>,
    spoken: Notify,
    stored: CancellationToken,
    lost_entries: AtomicBool,
}

/// The end of the log. An append that was cut off may have been stored, so its entries are written again, as they were.
#[derive(Debug)]
struct Tail {
    last: Cursor,
    unconfirmed: Vec<LogEntry>,
}

/// What was said of the turn under way and is not stored.
#[derive(Debug, Default)]
struct Unstored {
    after: Cursor,
    offset: u64,
    text: String,
}

impl Unstored {
    /// A piece that could not be stored goes with the next one.
    fn put_back(&mut self, piece: &DraftPiece) {
        if self.text.is_empty() || self.after == piece.after {
            self.text.insert_str(0, &piece.text);
            (self.after, self.offset) = (piece.after, piece.offset);
        }
    }
}

impl Tail {
    fn push(&mut self, event: LogEvent, at: Timestamp) {
        self.last = self.last.next();
        self.unconfirmed.push(LogEntry { sequence: self.last, at, event });
    }
}

/// The end of a run, as it is stored.
#[derive(Debug)]
pub(crate) struct End {
    /// The model's last turn.
    pub(crate) turn: Option<LogEvent>,
    /// How the run ended.
    pub(crate) outcome: Outcome,
    /// What its conversation gets.
    pub(crate) said: Vec<Message>,
}

/// The rest of a run, as it is stored.
#[derive(Debug)]
pub(crate) struct Rest {
    /// The calls that wait for a person.
    pub(crate) approvals: Vec<Approval>,
    /// The settings of the run from now on.
    pub(crate) options: RunOptions,
    /// The runs that it waits for.
    pub(crate) delegated: Vec<ExecutionId>,
    /// How far it came.
    pub(crate) outcome: Outcome,
}

impl StoreRecorder {
    /// Continues the log behind `last` under `fence`.
    pub(crate) fn new(
        persistence: Arc<dyn PersistenceBackend>,
        clock: Arc<dyn Clock>,
        (id, fence): (ExecutionId, Fence),
        last: Cursor,
        live: Arc<Live>,
        stored: CancellationToken,
    ) -> Self {
        live.begin(last);
        Self {
            persistence,
            clock,
            id,
            fence,
            live,
            tail: tokio::sync::Mutex::new(Tail { last, unconfirmed: Vec::new() }),
            draft: Mutex::default(),
            spoken: Notify::new(),
            stored,
            lost_entries: AtomicBool::new(false),
        }
    }

    /// Stores what the model says in small batches, for as long as it is polled.
    pub(crate) async fn keep_drafts(&self) -> Infallible {
        self.stored.cancelled().await;
        loop {
            self.spoken.notified().await;
            tokio::time::sleep(DRAFT_PAUSE).await;
            let Unstored { after, offset, text } = std::mem::take(&mut *self.draft());
            if text.is_empty() {
                continue;
            }
            let piece = DraftPiece { after, offset, text: text.into() };
            if let Err(error) = self.persistence.executions().append_draft(&self.id, self.fence, &piece).await
            {
                tracing::warn!(execution_id = %self.id, error = ?error, "a draft is not stored yet");
                if self.live.is_behind(piece.after) {
                    self.draft().put_back(&piece);
                    self.spoken.notify_one();
                }
            }
        }
    }

    /// Stores the end of the run with what the log lacks. The answer is what is stored: another's end, when that came first.
    pub(crate) async fn settle(&self, end: End) -> Result<Arc<Outcome>> {
        self.stored.cancelled().await;
        let mut tail = self.tail.lock().await;
        let at = self.clock.now();
        if let Some(turn) = end.turn {
            tail.push(turn, at);
        }
        tail.push(LogEvent::Finished(end.outcome.clone()), at);
        let entries = std::mem::take(&mut tail.unconfirmed);
        let outcome = Arc::new(end.outcome);
        let change =
            Transition::Finish { outcome: Box::new(Outcome::clone(&outcome)), entries, said: end.said, at };
        match (self.store(&change).await?, change) {
            (Advanced::Applied, Transition::Finish { entries, .. }) => {
                self.live.publish(entries);
                Ok(outcome)
            }
            (Advanced::Applied, _) => Ok(outcome),
            (Advanced::Refused { .. }, _) => self.stored().await,
        }
    }

    /// Stores that the run rests, with the calls that wait for a person. The answer is what is stored: another's end, when that
    /// came first.
    pub(crate) async fn suspend(&self, rest: Rest) -> Result<Arc<Outcome>> {
        self.stored.cancelled().await;
        let mut tail = self.tail.lock().await;
        let at = self.clock.now();
        let Rest { approvals, options, delegated, outcome } = rest;
        for Approval { id, call_id, tool, arguments, question, expires_at, .. } in &approvals {
            let (call_id, tool) = (call_id.clone(), tool.clone());
            let call = AskedCall { call_id, tool, arguments: arguments.clone(), question: question.clone() };
            let (approval_id, expires_at) = (id.clone(), *expires_at);
            tail.push(LogEvent::ApprovalRequested { approval_id, call, expires_at }, at);
        }
        tail.push(LogEvent::Suspended { delegated, usage: outcome.usage.clone() }, at);
        let entries = std::mem::take(&mut tail.unconfirmed);
        let change = Transition::Suspend { approvals, options, entries };
        match (self.store(&change).await?, change) {
            (Advanced::Applied, Transition::Suspend { entries, .. }) => {
                self.live.publish(entries);
                Ok(Arc::new(outcome))
            }
            (Advanced::Applied, _) => Ok(Arc::new(outcome)),
            // A try whose answer was lost may have been ours.
            (Advanced::Refused { status: ExecutionStatus::Suspended, fence }, _) if fence == self.fence => {
                Ok(Arc::new(outcome))
            }
            (Advanced::Refused { .. }, _) => self.stored().await,
        }
    }

    /// Stores entries, and tries again when the store is away for a moment: what they tell has happened. Whatever of them is
    /// stored already is skipped by the store.
    async fn append(&self, entries: &[LogEntry]) -> Result<()> {
        for pause in RETRY_PAUSES {
            match self.persistence.executions().append(&self.id, self.fence, entries).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => {
                    tracing::warn!(execution_id = %self.id, error = ?error, "the log of an execution is not stored yet");
                    tokio::time::sleep(pause).await;
                }
                stored => return stored.map(drop),
            }
        }
        let stored = self.persistence.executions().append(&self.id, self.fence, entries).await;
        if stored.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
            self.lost_entries.store(true, Ordering::Relaxed);
        }
        stored.map(drop)
    }

    /// Whether something that happened could not be stored because the store was away. That is no end of a run.
    pub(crate) fn has_lost_entries(&self) -> bool {
        self.lost_entries.load(Ordering::Relaxed)
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

    fn draft(&self) -> MutexGuard<'_, Unstored> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Recorder for StoreRecorder {
    async fn record(&self, event: LogEvent) -> Result<()> {
        self.stored.cancelled().await;
        let mut tail = self.tail.lock().await;
        tail.push(event, self.clock.now());
        self.append(&tail.unconfirmed).await?;
        self.draft().text.clear();
        self.live.publish(tail.unconfirmed.drain(..));
        Ok(())
    }

    fn say(&self, piece: &Arc<str>) {
        let (after, offset) = self.live.say(piece);
        let mut draft = self.draft();
        if draft.text.is_empty() {
            (draft.after, draft.offset) = (after, offset);
            self.spoken.notify_one();
        }
        draft.text.push_str(piece);
    }
}

impl Drop for StoreRecorder {
    /// Whoever still watches goes on reading from the store.
    fn drop(&mut self) {
        self.live.close();
    }
}
