//! Listing, page by page.
use agent_gateway_core::{
    ErrorKind,
    page::{PageCursor, PageRequest},
    ports::memory::MemoryBackend,
};

use super::{fact, shared};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, ensure, ensure_eq, expect_kind},
};

/// The order of making, backwards, also for items made in the same instant.
pub async fn a_list_is_newest_first(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(memory.put(&scope, &fact(format!("number {number}"))).await?);
    }
    made.reverse();
    let page = memory.list(&scope, PageRequest::default()).await?;
    ensure_eq!(page.items, made, "the list");
    ensure_eq!(page.next, None, "where a list ends that fits in one page");
    Ok(())
}

/// Pages follow each other without gap and repeat, although items come and go between them.
pub async fn pages_show_every_item_once(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    let mut made = Vec::new();
    for number in 0..7 {
        made.push(memory.put(&scope, &fact(format!("number {number}"))).await?.id);
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut request = PageRequest::first(3);
    for _ in 0..10 {
        let page = memory.list(&scope, request).await?;
        ensure!(page.items.len() <= 3, "a page of 3 holds {} items", page.items.len());
        seen.extend(page.items.into_iter().map(|item| item.id));
        let Some(next) = page.next else { break };
        // What is new does not move the pages, and the last item shown may go.
        memory.put(&scope, &fact("new")).await?;
        if let Some(last) = seen.last() {
            memory.delete(&scope, last).await?;
        }
        request = PageRequest::first(3).after(next);
    }
    ensure_eq!(seen, made, "all pages together");
    Ok(())
}

/// A cursor that the list did not make is refused, not read as the beginning.
pub async fn a_foreign_cursor_is_invalid(fixture: &impl Fixture<dyn MemoryBackend>) -> CaseResult {
    let (memory, _guard) = fixture.fresh().await?;
    let scope = shared()?;
    memory.put(&scope, &fact("one")).await?;
    for text in ["", "not a cursor", "'; --", "../.."] {
        let request = PageRequest::first(3).after(PageCursor(text.to_owned()));
        expect_kind(memory.list(&scope, request).await, ErrorKind::Invalid, &format!("the cursor {text:?}"))?;
    }
    Ok(())
}
