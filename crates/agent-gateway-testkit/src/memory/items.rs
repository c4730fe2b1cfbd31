//! One item: put, read, deleted.
use agent_gateway_core::{
    ErrorKind,
    id::MemoryId,
    page::PageRequest,
    ports::memory::{MemoryBackend, MemoryKind, MemorySource, NewMemory},
};

use super::{fact, shared};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq, expect_kind, skipped},
};

/// The largest item that a case makes.
const MAX_TRIED: usize = 16 * 1024 * 1024;

/// Text byte for byte, and every field.
pub async fn an_item_comes_back_as_it_was(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let items = [
        ("  spaces, \t tabs\r\nand lines\n ", MemoryKind::Semantic, MemorySource::Manual, 0.0),
        ("Grüße, 世界 🌍 ' \" \\ %s {}", MemoryKind::Episodic, MemorySource::Extracted, 1.0),
        ("one", MemoryKind::Procedural, MemorySource::Compacted, 0.25),
    ];
    for (content, kind, source, importance) in items {
        let item = NewMemory { content: content.to_owned(), kind, source, importance };
        let put = memory.put(&scope, &item).await?;
        ensure_eq!(put.what, item, "what `put` answered");
        ensure_eq!((put.access_count, put.last_accessed_at), (0, None), "the accesses of a new item");
        ensure_eq!(memory.get(&scope, &put.id).await?, Some(put.clone()), "what `get` answered");
    }
    Ok(())
}

/// The same content twice is two items.
pub async fn every_item_has_an_id_of_its_own(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let first = memory.put(&scope, &fact("the same")).await?;
    let second = memory.put(&scope, &fact("the same")).await?;
    ensure!(first.id != second.id, "two items have the id {:?}", first.id);
    ensure!(memory.delete(&scope, &first.id).await?, "the first item should have been there");
    ensure!(memory.get(&scope, &second.id).await?.is_some(), "the second item went with the first");
    Ok(())
}

/// The declared limit is the limit: exactly as much works, one byte more does not and leaves nothing.
pub async fn an_item_over_the_largest_is_too_large(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let (scope, max) = (shared()?, memory.capability().max_item);
    if max > MAX_TRIED {
        return Err(skipped(format!("items may have {max} bytes, more than a case makes")));
    }
    memory.put(&scope, &fact("a".repeat(max))).await?;
    expect_kind(
        memory.put(&scope, &fact("a".repeat(max + 1))).await,
        ErrorKind::TooLarge,
        "an item too large",
    )?;
    // Bytes, not characters.
    let wide = "ä".repeat(max / 2 + 1);
    expect_kind(memory.put(&scope, &fact(wide)).await, ErrorKind::TooLarge, "an item with too many bytes")?;
    let kept = memory.list(&scope, PageRequest::default()).await?.items.len();
    ensure_eq!(kept, 1, "how many items were kept");
    Ok(())
}

/// 0 to 1, both included.
pub async fn an_importance_outside_its_range_is_invalid(
    fixture: &impl Fixture<dyn MemoryBackend>,
) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    for importance in [-0.01, 1.01, f64::NAN, f64::INFINITY] {
        let item = NewMemory { importance, ..fact("it matters") };
        expect_kind(
            memory.put(&scope, &item).await,
            ErrorKind::Invalid,
            &format!("importance {importance}"),
        )?;
    }
    let kept = memory.list(&scope, PageRequest::default()).await?.items.len();
    ensure_eq!(kept, 0, "how many items were kept");
    Ok(())
}

/// Deleting answers whether there was something, and there is nothing after it.
pub async fn a_deleted_item_is_gone(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let put = memory.put(&scope, &fact("soon gone")).await?;
    ensure_eq!(memory.delete(&scope, &put.id).await?, true, "the first `delete`");
    ensure_eq!(memory.delete(&scope, &put.id).await?, false, "the second `delete`");
    ensure_eq!(memory.get(&scope, &put.id).await?, None, "`get` after `delete`");
    Ok(())
}

/// An id that nobody gave out is `None`, not an error.
pub async fn an_unknown_item_is_not_there(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    for id in [MemoryId::generate(), MemoryId::new("no such id ' %")?] {
        ensure_eq!(memory.get(&scope, &id).await?, None, "`get` of the unknown {id:?}");
        ensure_eq!(memory.delete(&scope, &id).await?, false, "`delete` of the unknown {id:?}");
    }
    Ok(())
}
