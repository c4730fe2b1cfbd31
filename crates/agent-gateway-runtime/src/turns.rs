//! The turns of one conversation follow each other: whoever comes later waits, in the order of coming.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use agent_gateway_core::id::ConversationId;
use tokio::sync::OwnedMutexGuard;

/// How many turns of one conversation may be in the line.
const LONGEST_LINE: usize = 32;
/// How long one waits: longer than the longest turn that may be asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(330);

/// The conversations of which a turn is under way in this process or waits for its turn. Between processes the store decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<ConversationId, Line>>>);

#[derive(Debug, Default)]
struct Line {
    lock: Arc<tokio::sync::Mutex<()>>,
    /// How many are in the line, the one whose turn it is included.
    length: usize,
}

/// The right to the turn of a conversation. The next one's turn comes when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    _place: PlaceInLine,
}

/// A place in a line; the last one to leave takes the line away.
#[derive(Debug)]
struct PlaceInLine {
    turns: Turns,
    id: ConversationId,
}

impl Turns {
    /// Waits for the turn; `None` when the line is full, or does not move for too long. Dropping the future leaves the line.
    pub(crate) async fn take(&self, id: &ConversationId) -> Option<Turn> {
        let lock = self.with(|lines| {
            let line = lines.entry(id.clone()).or_default();
            (line.length < LONGEST_LINE).then(|| {
                line.length += 1;
                line.lock.clone()
            })
        })?;
        let place = PlaceInLine { turns: self.clone(), id: id.clone() };
        let guard = tokio::time::timeout(LONGEST_WAIT, lock.lock_owned()).await.ok()?;
        Some(Turn { _guard: guard, _place: place })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<ConversationId, Line>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for PlaceInLine {
    fn drop(&mut self) {
        self.turns.with(|lines| {
            if let Some(line) = lines.get_mut(&self.id) {
                line.length -= 1;
                if line.length == 0 {
                    lines.remove(&self.id);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_come_in_order_and_leave_nothing_behind() {
        let (turns, id) = (Turns::default(), ConversationId::generate());
        let first = turns.take(&id).await.unwrap();
        let mut second = Box::pin(turns.take(&id));
        assert!(futures::poll!(&mut second).is_pending());
        let mut third = Box::pin(turns.take(&id));
        assert!(futures::poll!(&mut third).is_pending());
        // Another conversation does not wait.
        assert!(turns.take(&ConversationId::generate()).await.is_some());
        drop(second);
        drop(first);
        drop(third.await.unwrap());
        assert_eq!(turns.with(|lines| lines.len()), 0);
    }

    #[tokio::test]
    async fn a_line_has_an_end() {
        let (turns, id) = (Turns::default(), ConversationId::generate());
        let _first = turns.take(&id).await.unwrap();
        let mut waiting: Vec<_> = (1..LONGEST_LINE).map(|_| Box::pin(turns.take(&id))).collect();
        for place in &mut waiting {
            assert!(futures::poll!(place).is_pending());
        }
        assert!(turns.take(&id).await.is_none());
        waiting.pop();
        assert!(futures::poll!(Box::pin(turns.take(&id))).is_pending());
    }
}
