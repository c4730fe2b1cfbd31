//! Reads the events of a run: while this process runs it from memory, else out of the store.
use std::{sync::Arc, time::Duration};

use agent_gateway_core::{
    Error, Result,
    execution::{
        Cursor, Event, ExecutionEvent, ExecutionStatus, LogEntry, LogEvent, Outcome, Place, Reading,
        StopReason,
    },
    id::ExecutionId,
    principal::Principal,
};
use tokio_util::sync::CancellationToken;

use crate::{
    gateway::{Alive, Shared},
    live::{Live, News, Piece},
};

/// How many log entries are read at once.
const PAGE: u32 = 200;
/// How long to wait before the store is asked again about a run of another process. It doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The events of one run, in order, from some place on. Dropping it leaves the run alone, unless the run was submitted with
/// [`Departure::Cancels`](agent_gateway_core::execution::Departure::Cancels) and this is what the submission answered.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    _alive: Arc<Alive>,
    id: ExecutionId,
    reading: Reading,
    ready: Vec<Event>,
    stage: Stage,
    source: Source,
    pause: Duration,
    bond: Bond,
    until: Until,
}

/// How long a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// To the end of the run.
    Finished,
    /// To its end, or until it rests: whoever waits for an answer is not kept waiting for a person.
    Suspended,
}

/// What a reader has to tell next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// That the run is there.
    Beginning,
    /// What happens.
    Middle,
    /// Nothing.
    Over,
}

#[derive(Debug)]
enum Source {
    /// What this process does, of which so many pieces were read.
    Live(Arc<Live>, usize),
    /// What is stored.
    Store,
}

/// Whether the run depends on its reader.
#[derive(Debug)]
pub(crate) enum Bond {
    /// It does not.
    Free,
    /// It is cancelled when the reader goes.
    Owner(#[expect(dead_code, reason = "it works by being dropped")] Tie),
}

/// Cancels a run when it is dropped, unless the gateway is stopping: then it is the gateway that cut the line, and the reader
/// may come back to the next process.
#[derive(Debug)]
pub(crate) struct Tie {
    cancel: CancellationToken,
    stopping: CancellationToken,
}

impl Tie {
    pub(crate) fn new(cancel: CancellationToken, stopping: CancellationToken) -> Self {
        Self { cancel, stopping }
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        if !self.stopping.is_cancelled() {
            self.cancel.cancel();
        }
    }
}

impl Events {
    /// Everything from the beginning on.
    pub(crate) fn whole(shared: &Arc<Shared>, alive: &Arc<Alive>, id: ExecutionId, bond: Bond) -> Self {
        let until = Until::Suspended;
        Self { until, ..Self::new(shared, alive, id, Stage::Beginning, Place::START, bond) }
    }

    /// Everything that this process does for a run that it has just begun.
    pub(crate) fn own(
        shared: &Arc<Shared>,
        alive: &Arc<Alive>,
        id: ExecutionId,
        live: Arc<Live>,
        bond: Bond,
    ) -> Self {
        let (source, until) = (Source::Live(live, 0), Until::Suspended);
        Self { source, until, ..Self::new(shared, alive, id, Stage::Beginning, Place::START, bond) }
    }

    /// Everything from the beginning on, also what comes after a rest.
    pub(crate) fn watch(shared: &Arc<Shared>, alive: &Arc<Alive>, id: ExecutionId) -> Self {
        Self::new(shared, alive, id, Stage::Beginning, Place::START, Bond::Free)
    }

    /// What comes behind `place`.
    pub(crate) fn behind(shared: &Arc<Shared>, alive: &Arc<Alive>, id: ExecutionId, place: Place) -> Self {
        Self::new(shared, alive, id, Stage::Middle, place, Bond::Free)
    }

    fn new(
        shared: &Arc<Shared>,
        alive: &Arc<Alive>,
        id: ExecutionId,
        stage: Stage,
        place: Place,
        bond: Bond,
    ) -> Self {
        let (shared, alive) = (shared.clone(), alive.clone());
        let source = match shared.running.live(&id) {
            Some(live) if live.continues(place.after) => Source::Live(live, 0),
            _ => Source::Store,
        };
        let reading = Reading::from(place);
        let (pause, until) = (SHORTEST_PAUSE, Until::Finished);
        let ready = Vec::new();
        Self { shared, _alive: alive, id, reading, ready, stage, source, pause, bond, until }
    }

    /// The run.
    #[must_use]
    pub fn execution_id(&self) -> &ExecutionId {
        &self.id
    }

    /// Whether everything was told: the run has ended, or it rests and its reader does not wait for a person.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// The next events, at least one; `None` when the run has ended and everything was told, and when the gateway stops
    /// before the run ends. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<Option<Vec<Event>>> {
        // What was read is kept here until it is handed out.
        if self.stage == Stage::Beginning {
            self.stage = Stage::Middle;
            self.ready.push(Event { place: Place::START, event: ExecutionEvent::Started });
        }
        while self.ready.is_empty() {
            if self.stage == Stage::Over {
                return Ok(None);
            }
            match &mut self.source {
                Source::Live(live, seen) => match live.wait(*seen).await {
                    News::Pieces(pieces) => {
                        *seen += pieces.len();
                        pieces.iter().for_each(|piece| take(&mut self.reading, piece, &mut self.ready));
                    }
                    News::Nothing | News::Closed => self.source = Source::Store,
                },
                Source::Store => {
                    let mut events = Vec::new();
                    self.read_store(&mut events).await?;
                    self.ready = events;
                }
            }
        }
        let is_over = match self.ready.last().map(|event| &event.event) {
            Some(ExecutionEvent::Finished(_)) => true,
            Some(ExecutionEvent::Suspended { .. }) => self.until == Until::Suspended && self.rests().await?,
            _ => false,
        };
        if is_over {
            self.stage = Stage::Over;
            self.bond = Bond::Free;
        }
        Ok(Some(std::mem::take(&mut self.ready)))
    }

    /// Waits for the end of the run, or until it rests; the stop reason says which.
    pub async fn outcome(mut self) -> Result<Arc<Outcome>> {
        let mut said = String::new();
        while let Some(mut events) = self.next().await? {
            for event in &events {
                if let ExecutionEvent::Text(text) = &event.event {
                    said.push_str(text);
                }
            }
            match events.pop().map(|event| event.event) {
                Some(ExecutionEvent::Finished(outcome)) => return Ok(outcome),
                Some(ExecutionEvent::Suspended { usage }) if self.stage == Stage::Over => {
                    return Ok(Arc::new(Outcome::new(StopReason::Suspended, said, usage)));
                }
                _ => {}
            }
        }
        Err(Error::unavailable("the gateway stops before the execution has ended")
            .with("execution", &self.id))
    }

    /// Whether the run rests at this moment.
    async fn rests(&self) -> Result<bool> {
        let everything = Principal::system().visibility();
        let found = self.shared.ports.persistence.executions().get(&self.id, &everything).await?;
        Ok(found.is_some_and(|execution| execution.status == ExecutionStatus::Suspended))
    }

    async fn read_store(&mut self, events: &mut Vec<Event>) -> Result<()> {
        let executions = self.shared.ports.persistence.executions();
        // The state is read before the log: what is final has its whole log.
        let everything = Principal::system().visibility();
        let Some(execution) = executions.get(&self.id, &everything).await? else {
            return Err(Error::not_found("the execution is no longer stored").with("execution", &self.id));
        };
        let log = executions.log(&self.id, self.reading.place().after, PAGE).await?;
        log.iter().for_each(|entry| self.reading.entry(entry, events));
        if !log.is_empty() {
            self.pause = SHORTEST_PAUSE;
            return Ok(());
        }
        if execution.status.is_final() && self.reading.place().after != Cursor::START {
            self.stage = Stage::Over;
            return Ok(());
        }
        if execution.status.is_final() {
            // An execution of before there were logs.
            let outcome = execution.result.and_then(|result| serde_json::from_value(result).ok());
            let outcome: Outcome = outcome.ok_or_else(|| {
                Error::not_found("the events of this execution are not stored").with("execution", &self.id)
            })?;
            let sequence = self.reading.place().after.next();
            let end = LogEntry { sequence, at: execution.created_at, event: LogEvent::Finished(outcome) };
            self.reading.entry(&end, events);
            return Ok(());
        }
        if let Some(live) = self.shared.running.live(&self.id)
            && live.continues(self.reading.place().after)
        {
            self.source = Source::Live(live, 0);
            return Ok(());
        }
        if let Some(draft) = executions.draft(&self.id).await? {
            events.extend(self.reading.draft(draft.after, 0, &draft.text.into()));
        }
        if events.is_empty() {
            self.rest().await;
        }
        Ok(())
    }

    /// Somebody else runs it. A gateway that stops does not wait for that.
    async fn rest(&mut self) {
        tokio::select! {
            () = self.shared.tasks.stopping().cancelled() => self.stage = Stage::Over,
            () = tokio::time::sleep(self.pause) => self.pause = (self.pause * 2).min(LONGEST_PAUSE),
        }
    }
}

fn take(reading: &mut Reading, piece: &Piece, events: &mut Vec<Event>) {
    match piece {
        Piece::Text { after, offset, text } => events.extend(reading.draft(*after, *offset, text)),
        Piece::Entry(entry) => reading.entry(entry, events),
    }
}
