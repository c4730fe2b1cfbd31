//! An agent's shared memory and that of each user are worlds of their own.
use std::sync::Arc;

use agent_gateway_core::{
    page::PageRequest,
    ports::memory::{MemoryBackend, MemoryScope},
};

use super::{fact, found, scope, shared};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq},
};

/// Puts one item in each scope, then reads each scope in every way: it has its own item and no other.
async fn separate(memory: &Arc<dyn MemoryBackend>, scopes: &[MemoryScope]) -> CaseResult {
    let mut kept = Vec::new();
    for (number, scope) in scopes.iter().enumerate() {
        kept.push((scope, memory.put(scope, &fact(format!("tea of scope{number}x"))).await?));
    }
    for (scope, own) in &kept {
        let listed = memory.list(scope, PageRequest::default()).await?;
        let ids: Vec<_> = listed.items.iter().map(|item| &item.id).collect();
        ensure_eq!(ids, [&own.id], "the list of {scope:?}");
        let found = found(memory, scope, &own.what.content).await?;
        let ids: Vec<_> = found.iter().map(|found| &found.item.id).collect();
        ensure_eq!(ids, [&own.id], "what a search in {scope:?} found");
        for (other, item) in &kept {
            let here = memory.get(scope, &item.id).await?.is_some();
            ensure_eq!(here, other == scope, "whether {scope:?} has the item of {other:?}");
        }
    }
    Ok(())
}

/// Shared and personal, user and user, agent and agent.
pub async fn scopes_never_mix(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scopes = [
        scope("helper", None)?,
        scope("helper", Some("alice"))?,
        scope("helper", Some("bob"))?,
        scope("writer", None)?,
        scope("writer", Some("alice"))?,
    ];
    separate(&memory, &scopes).await
}

/// Names that look alike when they are put together, folded or matched by a pattern.
pub async fn scopes_with_similar_names_never_mix(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scopes = [
        scope("a", Some("b:c"))?,
        scope("a", Some("b/c"))?,
        scope("a", Some("B:C"))?,
        scope("a", Some("%"))?,
        scope("a", Some("*"))?,
        scope("a", Some(".."))?,
        scope("a", Some("global"))?,
        scope("a", Some("null"))?,
        scope("a", None)?,
        scope("a_b", Some("c"))?,
        scope("a-b", Some("c"))?,
        scope("a", Some("b-c"))?,
        scope("a", Some("b_c"))?,
    ];
    separate(&memory, &scopes).await
}

/// Knowing an id is no right to delete it.
pub async fn another_scope_cannot_delete(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let (owner, shared) = (scope("helper", Some("alice"))?, shared()?);
    let put = memory.put(&owner, &fact("hers")).await?;
    for other in [&shared, &scope("helper", Some("bob"))?, &scope("writer", Some("alice"))?] {
        ensure_eq!(
            memory.delete(other, &put.id).await?,
            false,
            "`delete` in {other:?} of an item of {owner:?}"
        );
    }
    ensure!(memory.get(&owner, &put.id).await?.is_some(), "the item should still be there");
    Ok(())
}

/// Everything of one scope and nothing else, counted.
pub async fn clearing_leaves_other_scopes_alone(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let (cleared, hers, elsewhere) = (shared()?, scope("helper", Some("alice"))?, scope("writer", None)?);
    for scope in [&cleared, &hers, &elsewhere] {
        memory.put(scope, &fact("one")).await?;
        memory.put(scope, &fact("two")).await?;
    }
    ensure_eq!(memory.clear(&cleared).await?, 2, "how many items were cleared");
    ensure_eq!(memory.clear(&cleared).await?, 0, "how many items were cleared the second time");
    for (scope, wanted) in [(&cleared, 0), (&hers, 2), (&elsewhere, 2)] {
        let left = memory.list(scope, PageRequest::default()).await?.items.len();
        ensure_eq!(left, wanted, "how many items {scope:?} has left");
    }
    Ok(())
}
