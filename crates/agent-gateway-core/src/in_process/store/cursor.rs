//! Places in lists: the list, an instant or number, and what tells equal ones apart.
use crate::{Error, Result, Timestamp, page::PageCursor};

/// The key of a row in a list that is ordered by time.
pub(super) type TimeKey = (Timestamp, String);

/// The place of the row with this key.
pub(super) fn write(list: &str, (at, id): &TimeKey) -> PageCursor {
    PageCursor(format!("memory:{list}:{}:{id}", at.as_nanosecond()))
}

/// The key behind which the page starts. A cursor of another list or store is `Invalid`.
pub(super) fn read(list: &str, cursor: &PageCursor) -> Result<TimeKey> {
    parse(list, &cursor.0).ok_or_else(|| {
        Error::invalid("not a page cursor of this list: use `next` of the page before").with("list", list)
    })
}

fn parse(list: &str, text: &str) -> Option<TimeKey> {
    let (at, id) = text.strip_prefix("memory:")?.strip_prefix(list)?.strip_prefix(':')?.split_once(':')?;
    Some((Timestamp::from_nanosecond(at.parse().ok()?).ok()?, id.to_owned()))
}
