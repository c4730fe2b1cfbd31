//! Places in lists: the list, an instant, and what tells rows of that instant apart.
use agent_gateway_core::{Error, Result, Timestamp, page::PageCursor};

/// The place of a row in `list`.
pub(crate) fn write(list: &str, at: Timestamp, id: &str) -> PageCursor {
    PageCursor(format!("sql:{list}:{}:{id}", at.as_microsecond()))
}

/// The row behind which the page starts. A cursor of another list or store is `Invalid`.
pub(crate) fn read(list: &str, cursor: &PageCursor) -> Result<(Timestamp, String)> {
    parse(list, &cursor.0).ok_or_else(|| foreign(list))
}

/// The same for rows that are told apart by a number.
pub(crate) fn read_number(list: &str, cursor: &PageCursor) -> Result<(Timestamp, i64)> {
    let (at, id) = read(list, cursor)?;
    Ok((at, id.parse().map_err(|_| foreign(list))?))
}

fn parse(list: &str, text: &str) -> Option<(Timestamp, String)> {
    let (at, id) = text.strip_prefix("sql:")?.strip_prefix(list)?.strip_prefix(':')?.split_once(':')?;
    Some((Timestamp::from_microsecond(at.parse().ok()?).ok()?, id.to_owned()))
}

fn foreign(list: &str) -> Error {
    Error::invalid("not a page cursor of this list: use `next` of the page before").with("list", list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_foreign_one_does_not() {
        let at = Timestamp::from_microsecond(17).unwrap();
        let cursor = write("users", at, "a:b ü");
        assert_eq!(read("users", &cursor).unwrap(), (at, "a:b ü".to_owned()));
        assert!(read("schedules", &cursor).is_err());
        assert!(read_number("users", &cursor).is_err());
        for foreign in
            ["", "sql:users:", "sql:users:x:1", "memory:users:1:a", "sql:users:99999999999999999999:a"]
        {
            assert!(read("users", &PageCursor(foreign.to_owned())).is_err(), "{foreign}");
        }
    }
}
