//! Paging by key: a page starts after a cursor, never at a large offset.
use serde::{Deserialize, Serialize};

/// The most items that one page may hold.
pub const MAX_PAGE: u32 = 500;

/// Which part of a list to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    /// Where the previous page ended, as that page gave it.
    pub after: Option<PageCursor>,
}

impl PageRequest {
    /// The first `limit` items; the limit is held between 1 and [`MAX_PAGE`].
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self { limit: limit.clamp(1, MAX_PAGE), after: None }
    }

    /// The same size, starting after `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: PageCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// How many items at most.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::first(50)
    }
}

/// An opaque place in a list. Only the store that made it can read it; a foreign one is `Invalid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PageCursor(pub String);

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page starts; `None` at the end of the list.
    pub next: Option<PageCursor>,
}

impl<T> Page<T> {
    /// A list that fits in one page.
    #[must_use]
    pub fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// Cuts `items`, of which one more than the limit was read, and points behind the last one kept.
    #[must_use]
    pub fn cut(mut items: Vec<T>, limit: u32, cursor: impl Fn(&T) -> PageCursor) -> Self {
        let limit = limit as usize;
        let next = if items.len() > limit {
            items.truncate(limit);
            items.last().map(cursor)
        } else {
            None
        };
        Self { items, next }
    }
}
