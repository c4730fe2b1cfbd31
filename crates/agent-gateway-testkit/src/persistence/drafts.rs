//! The model turn under way: pieces behind the log, until the whole turn takes their place.
use std::sync::Arc;

use agent_gateway_core::{
    ErrorKind,
    execution::{Cursor, Draft, DraftPiece, Fence, Transition},
    id::ExecutionId,
    ports::persistence::PersistenceBackend,
};
use tokio::task::JoinSet;

use super::{RIVALS, at, finish, queued, running, stored, turns};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure_eq, expect_kind},
};

pub(super) fn piece(after: u64, offset: u64, text: &str) -> DraftPiece {
    DraftPiece { after: Cursor(after), offset, text: text.into() }
}

fn draft(after: u64, text: &str) -> Option<Draft> {
    Some(Draft { after: Cursor(after), text: text.to_owned() })
}

/// Stores a text in these pieces.
async fn say(store: &dyn PersistenceBackend, id: &ExecutionId, after: u64, pieces: &[&str]) -> CaseResult {
    let mut offset = 0;
    for text in pieces {
        store.executions().append_draft(id, Fence(1), &piece(after, offset, text)).await?;
        offset += text.len() as u64;
    }
    Ok(())
}

/// In the order of its pieces, byte for byte, each execution its own.
pub async fn a_draft_comes_back_whole(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let (one, two) = (stored(&*store, running(0)?).await?.id, stored(&*store, running(1)?).await?.id);
    ensure_eq!(store.executions().draft(&one).await?, None, "the draft before the first piece");
    store.executions().append(&two, Fence(1), &turns([1, 2])?).await?;
    say(&*store, &one, 0, &["Grüße ", "", "\"an\" 你好\n", "'; DROP TABLE execution_drafts; --"]).await?;
    say(&*store, &two, 2, &["x"; 300]).await?;
    let text = "Grüße \"an\" 你好\n'; DROP TABLE execution_drafts; --";
    ensure_eq!(store.executions().draft(&one).await?, draft(0, text), "the draft of the first turn");
    ensure_eq!(
        store.executions().draft(&two).await?,
        draft(2, &"x".repeat(300)),
        "the draft of a later turn"
    );
    ensure_eq!(store.executions().log(&one, Cursor::START, 10).await?, [], "the log beside the draft");
    Ok(())
}

/// A piece that is stored already is skipped, also one of the middle.
pub async fn a_repeated_piece_is_skipped(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    for (offset, text) in [(0, "one "), (0, "one "), (4, "two "), (0, "one "), (4, "two "), (8, "three")] {
        store.executions().append_draft(&id, Fence(1), &piece(0, offset, text)).await?;
    }
    ensure_eq!(store.executions().draft(&id).await?, draft(0, "one two three"), "the draft");
    Ok(())
}

/// Its turn is whole by now: it is dropped without a word.
pub async fn a_piece_behind_another_entry_is_dropped(
    fixture: &impl Fixture<dyn PersistenceBackend>,
) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    store.executions().append(&id, Fence(1), &turns([1, 2])?).await?;
    for after in [0, 1, 3] {
        store.executions().append_draft(&id, Fence(1), &piece(after, 0, "late")).await?;
        ensure_eq!(
            store.executions().draft(&id).await?,
            None,
            "the draft after a piece behind entry {after}"
        );
    }
    store.executions().append_draft(&id, Fence(1), &piece(2, 0, "now")).await?;
    store.executions().append_draft(&id, Fence(1), &piece(1, 3, "late")).await?;
    ensure_eq!(store.executions().draft(&id).await?, draft(2, "now"), "the draft of the turn under way");
    Ok(())
}

/// An entry that is new takes the place of the draft; one that was there before does not.
pub async fn a_new_entry_removes_the_draft(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    store.executions().append(&id, Fence(1), &turns([1])?).await?;
    say(&*store, &id, 1, &["half a ", "turn"]).await?;
    store.executions().append(&id, Fence(1), &turns([1])?).await?;
    store.executions().append(&id, Fence(1), &[]).await?;
    ensure_eq!(
        store.executions().draft(&id).await?,
        draft(1, "half a turn"),
        "the draft after a repeated append"
    );
    store.executions().append(&id, Fence(1), &turns([2])?).await?;
    ensure_eq!(store.executions().draft(&id).await?, None, "the draft after the whole turn");
    say(&*store, &id, 2, &["anew"]).await?;
    ensure_eq!(store.executions().draft(&id).await?, draft(2, "anew"), "the draft of the next turn");
    Ok(())
}

/// With the last entries or without any, nothing is under way in a run that has ended.
pub async fn a_finish_removes_the_draft(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for entries in [turns([1])?, Vec::new()] {
        let id = stored(&*store, running(0)?).await?.id;
        say(&*store, &id, 0, &["half"]).await?;
        store.executions().advance(&id, Fence(1), &finish("done", entries)?).await?;
        ensure_eq!(store.executions().draft(&id).await?, None, "the draft of the ended run");
    }
    Ok(())
}

/// What was said before a crash is known until the next attempt has made the turn.
pub async fn a_start_keeps_the_draft(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = stored(&*store, running(0)?).await?.id;
    say(&*store, &id, 0, &["half"]).await?;
    let again = Transition::Start { fence: Fence(2), instance: None, at: at(9)? };
    store.executions().advance(&id, Fence(1), &again).await?;
    ensure_eq!(store.executions().draft(&id).await?, draft(0, "half"), "the draft after another start");
    Ok(())
}

/// An attempt that is over, a newer one than is stored, and a run that has ended: all are a conflict.
pub async fn another_fence_cannot_draft(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut execution = running(0)?;
    execution.fence = Fence(2);
    let id = stored(&*store, execution).await?.id;
    for fence in [0, 1, 3] {
        let late = store.executions().append_draft(&id, Fence(fence), &piece(0, 0, "late")).await;
        expect_kind(late, ErrorKind::Conflict, &format!("a piece under the fence {fence}, stored is 2"))?;
    }
    ensure_eq!(store.executions().draft(&id).await?, None, "the draft after refused pieces");
    store.executions().advance(&id, Fence(2), &finish("done", turns([1])?)?).await?;
    for after in [0, 1] {
        let late = store.executions().append_draft(&id, Fence(2), &piece(after, 0, "late")).await;
        expect_kind(late, ErrorKind::Conflict, "a piece for a run that has ended")?;
    }
    Ok(())
}

/// Nothing can be said in what was never created, and it has no draft.
pub async fn an_unknown_execution_has_no_draft(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let id = ExecutionId::generate();
    let unknown = store.executions().append_draft(&id, Fence(1), &piece(0, 0, "who?")).await;
    expect_kind(unknown, ErrorKind::NotFound, "a piece for an unknown execution")?;
    ensure_eq!(store.executions().draft(&id).await?, None, "the draft of an unknown execution");
    Ok(())
}

/// Many runs say something at the same time, and each has its own words.
pub async fn of_many_speakers_each_is_heard(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    let mut speakers = JoinSet::new();
    for number in 0..RIVALS {
        let id = stored(&*store, running(0)?).await?.id;
        let store = Arc::clone(&store);
        speakers.spawn(async move {
            let words = number.to_string();
            let said = say(&*store, &id, 0, &[&words, " says ", &words]).await;
            (said, id, format!("{number} says {number}"))
        });
    }
    while let Some(speaker) = speakers.join_next().await {
        let (said, id, text) = speaker.map_err(|error| broken(error.to_string()))?;
        said?;
        ensure_eq!(store.executions().draft(&id).await?, draft(0, &text), "the draft of one of many");
    }
    Ok(())
}

/// Whichever of a turn and its last pieces comes first, no piece stays behind the turn.
pub async fn a_piece_never_outlives_its_turn(fixture: &impl Fixture<dyn PersistenceBackend>) -> CaseResult {
    let (store, _guard) = fixture.fresh().await?;
    for _ in 0..10 {
        let id = stored(&*store, queued(0)?).await?.id;
        let mut rivals = JoinSet::new();
        for offset in 0..20 {
            let (store, id) = (Arc::clone(&store), id.clone());
            let said = async move {
                store.executions().append_draft(&id, Fence::NONE, &piece(0, offset, "a")).await
            };
            rivals.spawn(said);
        }
        store.executions().append(&id, Fence::NONE, &turns([1])?).await?;
        while let Some(said) = rivals.join_next().await {
            said.map_err(|error| broken(error.to_string()))??;
        }
        ensure_eq!(
            store.executions().draft(&id).await?,
            None,
            "the draft after the whole turn and all its pieces"
        );
    }
    Ok(())
}
