//! The turns of one conversation follow each other: whoever comes later waits, in the order of coming.
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use agent_gateway_core::id::ConversationId;
use tokio::sync::OwnedMutexGuard;

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
    /// Waits for the turn. Dropping the future leaves the line.
    pub(crate) async fn take(&self, id: &ConversationId) -> Turn {
        let lock = self.with(|lines| {
            let line = lines.entry(id.clone()).or_default();
            line.length += 1;
            line.lock.clone()
        });
        let place = PlaceInLine { turns: self.clone(), id: id.clone() };
        Turn { _guard: lock.lock_owned().await, _place: place }
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
        let first = turns.take(&id).await;
        let mut second = Box::pin(turns.take(&id));
        assert!(futures::poll!(&mut second).is_pending());
        let mut third = Box::pin(turns.take(&id));
        assert!(futures::poll!(&mut third).is_pending());
        // Another conversation does not wait.
        drop(turns.take(&ConversationId::generate()).await);
        drop(second);
        drop(first);
        drop(third.await);
        assert_eq!(turns.with(|lines| lines.len()), 0);
    }
}
