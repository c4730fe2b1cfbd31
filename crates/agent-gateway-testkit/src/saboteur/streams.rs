//! Stores that break one rule of streams, conversations or recovery each.
use agent_gateway_core::{
    ErrorKind, Result, Timestamp,
    execution::{Advanced, DraftPiece, Execution, Fence, Transition},
    id::ExecutionId,
    ports::persistence::ExecutionStore,
};
use async_trait::async_trait;

use super::Sabotage;

/// A store of executions that keeps no drafts.
/// Found by [`a_draft_comes_back_whole`](crate::persistence::drafts::a_draft_comes_back_whole).
#[derive(Debug)]
pub struct LosesDrafts;

/// One that takes every piece for one of the turn under way.
/// Found by
/// [`a_piece_behind_another_entry_is_dropped`](crate::persistence::drafts::a_piece_behind_another_entry_is_dropped).
#[derive(Debug)]
pub struct TrustsLatePieces;

/// One that lets two turns of a conversation in.
/// Found by
/// [`turns_of_a_conversation_follow_each_other`](crate::persistence::turns::turns_of_a_conversation_follow_each_other).
#[derive(Debug)]
pub struct LetsTurnsIn;

/// One that forgets what was said.
/// Found by
/// [`what_was_said_joins_the_conversation`](crate::persistence::turns::what_was_said_joins_the_conversation).
#[derive(Debug)]
pub struct ForgetsWhatWasSaid;

/// One that calls the executions of living processes orphans.
/// Found by
/// [`executions_of_dead_processes_are_orphans`](crate::persistence::presence::executions_of_dead_processes_are_orphans).
#[derive(Debug)]
pub struct BuriesTheLiving;

/// One that never frees a key.
/// Found by [`a_forgotten_key_is_free`](crate::persistence::executions::a_forgotten_key_is_free).
#[derive(Debug)]
pub struct KeepsKeys;

#[async_trait]
impl Sabotage for LosesDrafts {
    async fn append_draft(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        piece: &DraftPiece,
    ) -> Result<()> {
        let nothing = DraftPiece { text: "".into(), ..piece.clone() };
        inner.append_draft(id, fence, &nothing).await
    }
}

#[async_trait]
impl Sabotage for TrustsLatePieces {
    async fn append_draft(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        piece: &DraftPiece,
    ) -> Result<()> {
        let after = inner.append(id, fence, &[]).await?;
        inner.append_draft(id, fence, &DraftPiece { after, ..piece.clone() }).await
    }
}

#[async_trait]
impl Sabotage for LetsTurnsIn {
    async fn create(&self, inner: &dyn ExecutionStore, execution: &Execution) -> Result<()> {
        match inner.create(execution).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let mut alone = execution.clone();
                alone.session_id = None;
                inner.create(&alone).await
            }
            created => created,
        }
    }
}

#[async_trait]
impl Sabotage for ForgetsWhatWasSaid {
    async fn advance(
        &self,
        inner: &dyn ExecutionStore,
        id: &ExecutionId,
        fence: Fence,
        change: &Transition,
    ) -> Result<Advanced> {
        let mut change = change.clone();
        if let Transition::Finish { said, .. } = &mut change {
            said.clear();
        }
        inner.advance(id, fence, &change).await
    }
}

impl Sabotage for BuriesTheLiving {
    fn orphans_at(&self, _now: Timestamp) -> Timestamp {
        Timestamp::MAX
    }
}

impl Sabotage for KeepsKeys {
    fn keys_before(&self, _before: Timestamp) -> Timestamp {
        Timestamp::MIN
    }
}
