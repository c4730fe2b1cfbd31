//! Finding.
use agent_gateway_core::ports::memory::{MemoryBackend, MemoryKind, MemoryQuery, NewMemory};

use super::{fact, found, shared};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq},
};

/// A query that says what an item says finds it before all others, and scores fall.
pub async fn the_fitting_item_comes_first(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let wanted = memory.put(&scope, &fact("Alice drinks green tea in the morning")).await?;
    for content in ["Bob drinks coffee", "the server restarts at night", "green lights mean go"] {
        memory.put(&scope, &fact(content)).await?;
    }
    let found = found(&memory, &scope, "alice drinks GREEN tea in the morning").await?;
    let first = found.first().ok_or_else(|| broken("the item that says it all was not found"))?;
    ensure_eq!(first.item.id, wanted.id, "the first of {found:?}");
    let falling = found.is_sorted_by(|a, b| a.score >= b.score);
    ensure!(falling, "the best should come first: {found:?}");
    Ok(())
}

/// The limit is the most, and zero is none.
pub async fn a_search_answers_no_more_than_its_limit(
    fixture: &impl Fixture<dyn MemoryBackend>,
) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    for number in 0..5 {
        memory.put(&scope, &fact(format!("tea number {number}"))).await?;
    }
    for limit in [0, 1, 3] {
        let query = MemoryQuery { text: "tea".to_owned(), kind: None, limit };
        let found = memory.search(&scope, &query).await?.len();
        ensure_eq!(found, limit as usize, "how many of five fitting items a search for {limit} answers");
    }
    Ok(())
}

/// A kind that is asked for is the only one that comes.
pub async fn a_search_keeps_to_its_kind(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    for kind in [MemoryKind::Semantic, MemoryKind::Episodic, MemoryKind::Procedural] {
        memory.put(&scope, &NewMemory { kind, ..fact("tea") }).await?;
    }
    for kind in [MemoryKind::Semantic, MemoryKind::Episodic, MemoryKind::Procedural] {
        let query = MemoryQuery { text: "tea".to_owned(), kind: Some(kind), limit: 10 };
        let found = memory.search(&scope, &query).await?;
        let kinds: Vec<_> = found.iter().map(|found| found.item.what.kind).collect();
        ensure_eq!(kinds, [kind], "the kinds that a search for {kind:?} found");
    }
    Ok(())
}

/// Nothing asked, nothing found.
pub async fn an_empty_text_finds_nothing(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    memory.put(&scope, &fact("tea")).await?;
    let found = found(&memory, &scope, "").await?;
    ensure!(found.is_empty(), "an empty text found {found:?}");
    Ok(())
}

/// Each time that an item is found counts, reading it by its id does not.
pub async fn a_found_item_counts_its_access(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let tea = memory.put(&scope, &fact("green tea")).await?;
    let other = memory.put(&scope, &fact("server restart")).await?;
    for _ in 0..2 {
        let query = MemoryQuery { text: "green tea".to_owned(), kind: None, limit: 1 };
        let found = memory.search(&scope, &query).await?;
        ensure_eq!(found.first().map(|found| &found.item.id), Some(&tea.id), "what was found");
    }
    for _ in 0..2 {
        let seen = memory.get(&scope, &tea.id).await?;
        ensure_eq!(seen.as_ref().map(|item| item.access_count), Some(2), "accesses after two searches");
        let at = seen.and_then(|item| item.last_accessed_at);
        ensure!(at.is_some_and(|at| at >= tea.created_at), "last accessed {at:?}, made {:?}", tea.created_at);
    }
    let seen = memory.get(&scope, &other.id).await?;
    ensure_eq!(seen, Some(other), "an item that was not found");
    Ok(())
}

/// What was deleted cannot be found.
pub async fn a_deleted_item_is_not_found(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let gone = memory.put(&scope, &fact("green tea")).await?;
    let stays = memory.put(&scope, &fact("green tea")).await?;
    memory.delete(&scope, &gone.id).await?;
    let ids: Vec<_> =
        found(&memory, &scope, "green tea").await?.into_iter().map(|found| found.item.id).collect();
    ensure_eq!(ids, [stays.id], "what is found after a `delete`");
    memory.clear(&scope).await?;
    let found = found(&memory, &scope, "green tea").await?;
    ensure!(found.is_empty(), "after a `clear`, a search found {found:?}");
    Ok(())
}
