//! The events of a run as its clients see them: a reading of its log, which can begin at any event.
use std::{fmt, str::FromStr, sync::Arc};

use serde_json::Value;

use super::{Cursor, LogEntry, LogEvent, ModelTurn, Outcome, ResetReason, StepPlace, StopReason, Usage};
use crate::{
    Error, Result, Timestamp,
    approval::{ApprovalStatus, AskedCall},
    id::{ApprovalId, ExecutionId},
    message::ToolCall,
};

/// A place among the events of a run. It does not move when a draft is folded into its turn, so that it can be kept
/// across a reconnection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The last log entry that was read whole.
    pub after: Cursor,
    /// How far the next entry was read: the bytes of a turn's text, then one for each of its tool calls.
    pub part: u64,
}

impl Place {
    /// Behind the event that says that the run began.
    pub const START: Self = Self { after: Cursor::START, part: 0 };

    fn behind(entry: Cursor) -> Self {
        Self { after: entry, part: 0 }
    }
}

/// The id of an event: `<execution>:<entry>` or `<execution>:<entry>.<part>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The run.
    pub execution: ExecutionId,
    /// The place among its events.
    pub place: Place,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.execution, self.place)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.after.0),
            part => write!(f, "{}.{part}", self.after.0),
        }
    }
}

impl FromStr for EventId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let not_one = || Error::invalid("not an event id of this gateway").with("id", text);
        let (execution, place) = text.rsplit_once(':').ok_or_else(not_one)?;
        let (after, part) = place.split_once('.').unwrap_or((place, "0"));
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| not_one());
        let place = Place { after: Cursor(number(after)?), part: number(part)? };
        Ok(Self { execution: ExecutionId::new(execution).map_err(|_| not_one())?, place })
    }
}

/// One event and the place behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Where a reader stands that has seen it.
    pub place: Place,
    /// What happened.
    pub event: ExecutionEvent,
}

/// What happened in a run, as its clients see it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ExecutionEvent {
    /// The run is stored and goes its way. The first event.
    Started,
    /// A piece of the model's text.
    Text(Arc<str>),
    /// The model asks for a call.
    ToolCall(ToolCall),
    /// A call was answered.
    ToolResult {
        /// The call.
        call_id: Arc<str>,
        /// The tool.
        name: Arc<str>,
        /// Its answer, or `{"error": ..}`.
        output: Value,
    },
    /// A step of a workflow was made.
    Step {
        /// Which one.
        place: Arc<StepPlace>,
        /// What it came to: a tool's answer or `{"error": ..}`, or the text of the model.
        output: Value,
        /// How long it took.
        duration_ms: u64,
    },
    /// A call waits for a person.
    ApprovalRequired {
        /// The approval.
        approval_id: ApprovalId,
        /// The call.
        call: AskedCall,
        /// From when on nobody can decide any more.
        expires_at: Timestamp,
    },
    /// It is settled whether a call is made that waited for a person.
    ApprovalSettled {
        /// The approval.
        approval_id: ApprovalId,
        /// The call.
        call_id: Arc<str>,
        /// How it was settled.
        status: ApprovalStatus,
        /// Why, in the words of who decided.
        reason: Option<Arc<str>>,
    },
    /// The run rests until what it waits for is there. More events follow then.
    Suspended {
        /// What was consumed until now.
        usage: Usage,
    },
    /// The text that came behind `keep` is void; the model says it anew.
    Reset {
        /// The last event that stands.
        keep: Place,
        /// Why.
        reason: ResetReason,
    },
    /// The run did not come to an answer; `Finished` follows.
    Failed {
        /// Why, in a public sentence.
        message: String,
    },
    /// The run ended. The last event.
    Finished(Arc<Outcome>),
}

/// Reads events out of a run's log and its drafts, from a place on. Feeding it the same things twice gives nothing twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    place: Place,
}

impl Reading {
    /// Goes on behind `place`.
    #[must_use]
    pub fn from(place: Place) -> Self {
        Self { place }
    }

    /// Where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Takes in text of the turn behind `after`, which begins `offset` bytes into that turn.
    pub fn draft(&mut self, after: Cursor, offset: u64, text: &Arc<str>) -> Option<Event> {
        if after != self.place.after || offset > self.place.part {
            return None;
        }
        let seen = usize::try_from(self.place.part - offset).unwrap_or(usize::MAX);
        let rest = behind(text, seen)?;
        self.place.part = offset + text.len() as u64;
        let rest = if rest.len() == text.len() { text.clone() } else { rest.into() };
        Some(Event { place: self.place, event: ExecutionEvent::Text(rest) })
    }

    /// Takes in a log entry. Entries come in order.
    pub fn entry(&mut self, entry: &LogEntry, into: &mut Vec<Event>) {
        if entry.sequence != self.place.after.next() {
            return;
        }
        let (before, behind) = (self.place, Place::behind(entry.sequence));
        self.place = behind;
        let mut push = |place, event| into.push(Event { place, event });
        match &entry.event {
            LogEvent::ModelTurn(ModelTurn { within: Some(place), text, duration_ms, .. }) => {
                let (place, output) = (place.clone(), Value::String(text.to_string()));
                push(behind, ExecutionEvent::Step { place, output, duration_ms: *duration_ms });
            }
            LogEvent::ModelTurn(turn) => {
                let most = (turn.text.len() + turn.tool_calls.len()) as u64;
                let mut from = before;
                if before.part > most {
                    // The reader has seen a draft that came to nothing.
                    from = Place::behind(before.after);
                    push(from, ExecutionEvent::Reset { keep: from, reason: ResetReason::Resumed });
                }
                model_turn(from, behind, turn, push);
            }
            LogEvent::CutOff { text } => {
                let seen = usize::try_from(before.part).unwrap_or(usize::MAX);
                if let Some(rest) = self::behind(text, seen) {
                    push(behind, ExecutionEvent::Text(rest.into()));
                }
            }
            LogEvent::Reset(reason) if before.part > 0 => {
                let keep = Place::behind(before.after);
                push(behind, ExecutionEvent::Reset { keep, reason: *reason });
            }
            LogEvent::Reset(_) | LogEvent::ToolStarted { .. } => {}
            LogEvent::ToolTurn(turn) if let Some(place) = &turn.within => {
                let (place, duration_ms) = (place.clone(), turn.duration_ms);
                push(behind, ExecutionEvent::Step { place, output: turn.output(), duration_ms });
            }
            LogEvent::ToolTurn(turn) => {
                let (call_id, name) = (turn.call_id.clone(), turn.name.clone());
                push(behind, ExecutionEvent::ToolResult { call_id, name, output: turn.output() });
            }
            LogEvent::ApprovalRequested { approval_id, call, expires_at } => {
                let (approval_id, call) = (approval_id.clone(), call.clone());
                push(behind, ExecutionEvent::ApprovalRequired { approval_id, call, expires_at: *expires_at });
            }
            LogEvent::ApprovalSettled { approval_id, call_id, status, decision } => {
                let reason = decision.as_ref().and_then(|decision| decision.reason.clone());
                let (approval_id, call_id) = (approval_id.clone(), call_id.clone());
                let event = ExecutionEvent::ApprovalSettled { approval_id, call_id, status: *status, reason };
                push(behind, event);
            }
            LogEvent::Suspended { usage, .. } => {
                push(behind, ExecutionEvent::Suspended { usage: usage.clone() });
            }
            LogEvent::Finished(outcome) => {
                // It is read again when the reader did not get as far as the end.
                if matches!(outcome.stop_reason, StopReason::Error | StopReason::Timeout) {
                    let message = outcome.error.clone().unwrap_or_else(|| "the execution failed".to_owned());
                    push(before, ExecutionEvent::Failed { message });
                }
                push(behind, ExecutionEvent::Finished(Arc::new(outcome.clone())));
            }
        }
    }

    /// Whether a reader can stand where this one stands, when `entry` is the log's entry there; `None`: the log ends there.
    #[must_use]
    pub fn fits(&self, entry: Option<&LogEntry>) -> bool {
        match entry.map(|entry| &entry.event) {
            Some(LogEvent::ModelTurn(turn)) if turn.within.is_none() => {
                self.place.part <= (turn.text.len() + turn.tool_calls.len()) as u64
            }
            // A draft that came to nothing may have been longer than what was stored of it.
            _ => true,
        }
    }
}

/// What the reader has not seen of a whole turn.
fn model_turn(
    before: Place,
    behind_entry: Place,
    turn: &ModelTurn,
    mut push: impl FnMut(Place, ExecutionEvent),
) {
    let length = turn.text.len() as u64;
    let seen = usize::try_from(before.part).unwrap_or(usize::MAX);
    if let Some(rest) = behind(&turn.text, seen) {
        let last = turn.tool_calls.is_empty();
        let place = if last { behind_entry } else { Place { after: before.after, part: length } };
        push(place, ExecutionEvent::Text(rest.into()));
    }
    let told = usize::try_from(before.part.saturating_sub(length)).unwrap_or(usize::MAX);
    for (number, call) in turn.tool_calls.iter().enumerate().skip(told) {
        let last = number + 1 == turn.tool_calls.len();
        let part = length + number as u64 + 1;
        let place = if last { behind_entry } else { Place { after: before.after, part } };
        push(place, ExecutionEvent::ToolCall(call.clone()));
    }
}

/// The text behind its first `seen` bytes; a place within a character counts as behind it. `None` when nothing is left.
fn behind(text: &str, seen: usize) -> Option<&str> {
    let from = (seen..text.len()).find(|place| text.is_char_boundary(*place))?;
    Some(&text[from..])
}

#[cfg(test)]
mod tests;
