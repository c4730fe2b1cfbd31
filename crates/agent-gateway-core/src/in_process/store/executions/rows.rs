//! The rows of the executions and what finds them.
use std::collections::{BTreeSet, HashMap};

use crate::{
    Error, Result, Timestamp,
    execution::{Cursor, Draft, Execution, ExecutionStatus, Fence, LogEntry, Outcome},
    id::{ConversationId, ExecutionId, IdempotencyKey, InstanceId, UserId},
    in_process::store::cursor::TimeKey,
};

/// A key, and who used it.
pub(super) type OwnedKey = (Option<UserId>, IdempotencyKey);

#[derive(Debug, Default)]
pub(in crate::in_process::store) struct Rows {
    stored: HashMap<ExecutionId, Stored>,
    by_time: BTreeSet<TimeKey>,
    finished: BTreeSet<TimeKey>,
    unfinished: BTreeSet<TimeKey>,
    by_key: HashMap<OwnedKey, ExecutionId>,
    /// The unfinished execution of a conversation.
    turns: HashMap<ConversationId, ExecutionId>,
    instances: HashMap<InstanceId, Timestamp>,
}

#[derive(Debug)]
pub(in crate::in_process::store) struct Stored {
    pub(in crate::in_process::store) execution: Execution,
    pub(in crate::in_process::store) log: Vec<LogEntry>,
    pub(super) draft: Option<Draft>,
}

pub(super) fn time_key(execution: &Execution) -> TimeKey {
    (execution.created_at, execution.id.to_string())
}

fn owned_key(execution: &Execution) -> Option<OwnedKey> {
    Some((execution.user_id.clone(), execution.idempotency.as_ref()?.key.clone()))
}

impl Stored {
    /// `Conflict` unless the attempt with this fence may still write.
    pub(super) fn check_writer(&self, fence: Fence) -> Result<()> {
        let Execution { id, status, fence: held, .. } = &self.execution;
        if status.is_final() || fence != *held {
            return Err(Error::conflict("the execution has moved on")
                .with("execution", id)
                .with("status", status)
                .with("fence", held.0));
        }
        Ok(())
    }

    /// The place behind the last entry.
    pub(super) fn end(&self) -> Cursor {
        Cursor(self.log.len() as u64)
    }

    /// The entries that are not stored yet; `Conflict` when they do not continue the log.
    pub(super) fn fresh<'a>(&self, entries: &'a [LogEntry]) -> Result<&'a [LogEntry]> {
        Ok(&entries[self.end().already_stored(entries.iter().map(|entry| entry.sequence))?..])
    }

    /// Adds entries; the first of them takes the place of the draft.
    pub(super) fn append(&mut self, fresh: &[LogEntry]) {
        if !fresh.is_empty() {
            self.draft = None;
            self.log.extend_from_slice(fresh);
        }
    }
}

impl Rows {
    pub(in crate::in_process::store) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.stored.values()
    }

    pub(super) fn len(&self) -> usize {
        self.stored.len()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Stored> {
        self.stored.get(id)
    }

    pub(super) fn known(&mut self, id: &ExecutionId) -> Result<&mut Stored> {
        self.stored.get_mut(id).ok_or_else(|| Error::not_found("no such execution").with("execution", id))
    }

    pub(super) fn by_time(&self) -> &BTreeSet<TimeKey> {
        &self.by_time
    }

    pub(super) fn by_key(&self, key: &OwnedKey) -> Option<&Stored> {
        self.by_key.get(key).and_then(|id| self.stored.get(id))
    }

    /// Whether nothing that is stored stands in the way of a new execution.
    pub(super) fn check_new(&self, execution: &Execution) -> Result<()> {
        if self.stored.contains_key(&execution.id) {
            return Err(Error::already_exists("the execution id is taken").with("execution", &execution.id));
        }
        if let Some(earlier) = owned_key(execution).and_then(|key| self.by_key.get(&key)) {
            return Err(Error::already_exists("the idempotency key is taken").with("execution", earlier));
        }
        if let Some(session) = turn_of(execution)
            && let Some(earlier) = self.turns.get(session)
        {
            return Err(Error::conflict("a turn of the conversation is under way")
                .with("conversation", session)
                .with("execution", earlier));
        }
        Ok(())
    }

    pub(super) fn insert(&mut self, execution: Execution) {
        if let Some(key) = owned_key(&execution) {
            self.by_key.insert(key, execution.id.clone());
        }
        if let Some(session) = turn_of(&execution) {
            self.turns.insert(session.clone(), execution.id.clone());
        }
        let key = time_key(&execution);
        let state = if execution.status.is_final() { &mut self.finished } else { &mut self.unfinished };
        state.insert(key.clone());
        self.by_time.insert(key);
        self.stored.insert(execution.id.clone(), Stored { execution, log: Vec::new(), draft: None });
    }

    pub(super) fn forget_oldest_finished(&mut self) {
        let Some(oldest) = self.finished.pop_first() else { return };
        self.by_time.remove(&oldest);
        let Some(stored) = self.stored.remove(oldest.1.as_str()) else { return };
        if let Some(key) = owned_key(&stored.execution) {
            self.by_key.remove(&key);
        }
    }

    /// Frees the keys of executions accepted before `before`.
    pub(super) fn forget_keys(&mut self, before: Timestamp) -> u64 {
        let held = self.by_key.len();
        self.by_key.retain(|_, id| match self.stored.get_mut(id) {
            Some(Stored { execution, .. })
                if execution.created_at < before && execution.parent_execution_id.is_none() =>
            {
                execution.idempotency = None;
                false
            }
            _ => true,
        });
        (held - self.by_key.len()) as u64
    }

    pub(super) fn finish(
        &mut self,
        id: &ExecutionId,
        fresh: &[LogEntry],
        outcome: &Outcome,
        at: Timestamp,
    ) -> Result<()> {
        let result = serde_json::to_value(outcome)
            .map_err(|error| Error::unexpected("an outcome is no JSON").caused_by(error))?;
        let stored = self.known(id)?;
        stored.append(fresh);
        stored.draft = None;
        let execution = &mut stored.execution;
        let turn = turn_of(execution).cloned();
        execution.status = outcome.stop_reason.status();
        execution.result = Some(result);
        execution.usage = Some(outcome.usage.clone());
        execution.error.clone_from(&outcome.error);
        execution.completed_at = Some(at);
        execution.instance = None;
        let key = time_key(execution);
        self.unfinished.remove(&key);
        self.finished.insert(key);
        turn.map(|session| self.turns.remove(&session));
        Ok(())
    }

    /// Says that a process is alive until `until`. Where `capacity` are known, the one whose time was or is up first makes
    /// room: it is no longer known to be alive.
    pub(super) fn announce(&mut self, instance: &InstanceId, until: Timestamp, capacity: usize) {
        if !self.instances.contains_key(instance) && self.instances.len() >= capacity {
            let first = self.instances.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone());
            first.map(|id| self.instances.remove(&id));
        }
        self.instances.insert(instance.clone(), until);
    }

    pub(super) fn instances(&self) -> &HashMap<InstanceId, Timestamp> {
        &self.instances
    }

    pub(super) fn retire(&mut self, instance: &InstanceId) {
        self.instances.remove(instance);
    }

    /// Unfinished executions whose process is not alive at `now`, oldest first.
    pub(super) fn orphans(&self, now: Timestamp) -> impl Iterator<Item = &Execution> {
        let alive = move |instance| self.instances.get(instance).is_some_and(|until| *until >= now);
        self.unfinished
            .iter()
            .filter_map(|(_, id)| self.get(id))
            .map(|stored| &stored.execution)
            .filter(move |execution| execution.instance.as_ref().is_some_and(|instance| !alive(instance)))
    }
}

/// The conversation whose turn this execution holds while it is not finished.
fn turn_of(execution: &Execution) -> Option<&ConversationId> {
    execution.session_id.as_ref().filter(|_| !ExecutionStatus::is_final(execution.status))
}
