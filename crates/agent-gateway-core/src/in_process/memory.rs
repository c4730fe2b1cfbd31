use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    Error, Result,
    capability::{MemoryCapability, MemorySearch},
    clock::{Clock, SystemClock},
    id::MemoryId,
    page::{Page, PageCursor, PageRequest},
    ports::memory::{Memory, MemoryBackend, MemoryQuery, MemoryScope, NewMemory, Scored},
};

/// The largest item in bytes.
const MAX_ITEM: usize = 64 * 1024;
/// The most items of one scope.
const MAX_ITEMS: usize = 10_000;
/// The most bytes of text in all scopes together.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most words of a query that count.
const MAX_WORDS: usize = 64;

/// Memories that last as long as the process. Found by words: the score is the share of the query's words that an item
/// contains, letter case aside, and the newer of two equal ones comes first. The first 64 words of a query count.
///
/// Bounded by 10 000 items for each scope and 64 MiB of text in all. A full memory is `TooLarge` and loses nothing.
#[derive(Debug)]
pub struct InProcessMemory {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    max_items: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Ids rise with time, so each scope is in the order of making.
    scopes: HashMap<MemoryScope, BTreeMap<MemoryId, Item>>,
    bytes: usize,
}

#[derive(Debug)]
struct Item {
    memory: Memory,
    /// The content in lower case, so that a search does not fold it every time.
    folded: String,
}

impl Item {
    fn bytes(&self) -> usize {
        self.memory.what.content.len() + self.folded.len()
    }
}

impl Default for InProcessMemory {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            clock: Arc::new(SystemClock),
            max_items: MAX_ITEMS,
            max_bytes: MAX_BYTES,
        }
    }
}

impl InProcessMemory {
    /// The same memory with another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same memory for at most this many items in each scope.
    #[must_use]
    pub fn max_items(mut self, items: usize) -> Self {
        self.max_items = items;
        self
    }

    /// The same memory for at most this many bytes of text in all scopes; each text counts twice, because it is kept in
    /// lower case too.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes items out of a scope; a scope without items takes no room.
    fn remove(&mut self, scope: &MemoryScope, id: &MemoryId) -> bool {
        let Some(items) = self.scopes.get_mut(scope) else { return false };
        let Some(item) = items.remove(id) else { return false };
        self.bytes -= item.bytes();
        if items.is_empty() {
            self.scopes.remove(scope);
        }
        true
    }
}

fn check(item: &NewMemory) -> Result<()> {
    if !(0.0..=1.0).contains(&item.importance) {
        return Err(Error::invalid("a memory's importance lies between 0 and 1")
            .during("in-process.put")
            .with("importance", item.importance));
    }
    if item.content.len() > MAX_ITEM {
        return Err(Error::too_large("a memory is too large")
            .during("in-process.put")
            .with("bytes", item.content.len())
            .with("limit", MAX_ITEM));
    }
    Ok(())
}

/// The different words of a text in lower case, as far as they count.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if !words.contains(&word) {
            words.push(word);
        }
        if words.len() == MAX_WORDS {
            break;
        }
    }
    words
}

/// Reads a cursor back. It holds the id of the last item shown, and our ids are UUIDs.
fn read_cursor(cursor: &PageCursor) -> Result<MemoryId> {
    match uuid::Uuid::try_parse(&cursor.0) {
        Ok(id) => MemoryId::new(id.hyphenated().to_string()),
        Err(error) => Err(Error::invalid("the page's cursor was not made by this list")
            .during("in-process.list")
            .caused_by(error)),
    }
}

#[async_trait]
impl MemoryBackend for InProcessMemory {
    fn capability(&self) -> MemoryCapability {
        MemoryCapability::new(MemorySearch::Keyword, MAX_ITEM)
    }

    async fn put(&self, scope: &MemoryScope, item: &NewMemory) -> Result<Memory> {
        check(item)?;
        let folded = item.content.to_lowercase();
        let mut state = self.state();
        // The id is made under the lock, so that the order of ids is the order of making.
        let memory = Memory::new(MemoryId::generate(), item.clone(), self.clock.now());
        let item = Item { memory: memory.clone(), folded };
        let bytes = state.bytes + item.bytes();
        let count = state.scopes.get(scope).map_or(0, BTreeMap::len);
        if count >= self.max_items || bytes > self.max_bytes {
            return Err(Error::too_large("the memory is full; delete items or use a backend with more room")
                .during("in-process.put")
                .with("items of this scope", count)
                .with("limit of items", self.max_items)
                .with("limit of bytes", self.max_bytes));
        }
        state.bytes = bytes;
        state.scopes.entry(scope.clone()).or_default().insert(memory.id.clone(), item);
        Ok(memory)
    }

    async fn get(&self, scope: &MemoryScope, id: &MemoryId) -> Result<Option<Memory>> {
        let state = self.state();
        Ok(state.scopes.get(scope).and_then(|items| items.get(id)).map(|item| item.memory.clone()))
    }

    async fn search(&self, scope: &MemoryScope, query: &MemoryQuery) -> Result<Vec<Scored<Memory>>> {
        let words = words(&query.text);
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let mut state = self.state();
        let Some(items) = state.scopes.get_mut(scope) else { return Ok(Vec::new()) };
        let score = |item: &Item| {
            let found = words.iter().filter(|word| item.folded.contains(word.as_str())).count();
            found as f64 / words.len() as f64
        };
        let wanted = |item: &Item| query.kind.is_none_or(|kind| item.memory.what.kind == kind);
        let mut found: Vec<(f64, &mut Item)> = items
            .values_mut()
            .rev()
            .filter(|item| wanted(item))
            .map(|item| (score(item), item))
            .filter(|(score, _)| *score > 0.0)
            .collect();
        // The sort keeps the order of equals, which is newest first.
        found.sort_by(|(a, _), (b, _)| b.partial_cmp(a).unwrap_or(Ordering::Equal));
        found.truncate(query.limit as usize);
        let counted = found.into_iter().map(|(score, item)| {
            item.memory.access_count += 1;
            item.memory.last_accessed_at = Some(now);
            Scored { item: item.memory.clone(), score }
        });
        Ok(counted.collect())
    }

    async fn list(&self, scope: &MemoryScope, page: PageRequest) -> Result<Page<Memory>> {
        let end = match &page.after {
            Some(cursor) => Bound::Excluded(read_cursor(cursor)?),
            None => Bound::Unbounded,
        };
        let state = self.state();
        let Some(items) = state.scopes.get(scope) else { return Ok(Page::whole(Vec::new())) };
        let older = items.range((Bound::Unbounded, end)).rev();
        let shown = older.take(page.limit() as usize + 1).map(|(_, item)| item.memory.clone()).collect();
        Ok(Page::cut(shown, page.limit(), |last| PageCursor(last.id.to_string())))
    }

    async fn delete(&self, scope: &MemoryScope, id: &MemoryId) -> Result<bool> {
        Ok(self.state().remove(scope, id))
    }

    async fn clear(&self, scope: &MemoryScope) -> Result<u64> {
        let mut state = self.state();
        let Some(items) = state.scopes.remove(scope) else { return Ok(0) };
        state.bytes -= items.values().map(Item::bytes).sum::<usize>();
        Ok(items.len() as u64)
    }
}

#[cfg(test)]
mod tests;
