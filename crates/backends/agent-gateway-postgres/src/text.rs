//! U+0000 in texts. PostgreSQL stores every character but this one, and what reads JSON there fails on `\u0000`, for all rows
//! at once. So it is stored as U+FDD0 and `0`, and U+FDD0, which is no character that anybody writes, as itself and `1`:
//! every text comes back byte for byte, and equal texts stay equal. Other programs see these two characters.
use std::borrow::Cow;

const MARK: char = '\u{FDD0}';
const NUL: &str = "\u{FDD0}0";
const MARK_ITSELF: &str = "\u{FDD0}1";
/// How JSON writes U+0000.
const JSON_NUL: &str = "\\u0000";

/// A text as it is stored.
pub(crate) fn store_text(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(MARK, MARK_ITSELF).replace('\0', NUL))
}

/// A JSON text as it is stored.
pub(crate) fn store_json(text: &str) -> Cow<'_, str> {
    if !text.contains(JSON_NUL) && !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let marked = text.replace(MARK, MARK_ITSELF);
    let mut stored = String::with_capacity(marked.len());
    let mut rest = marked.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        stored.push_str(before);
        rest = if let Some(behind) = escape.strip_prefix(JSON_NUL) {
            stored.push_str(NUL);
            behind
        } else {
            // The character behind a backslash begins no escape, also where it is a backslash.
            let (escape, behind) = escape.split_at(escape.len().min(2));
            stored.push_str(escape);
            behind
        };
    }
    stored.push_str(rest);
    Cow::Owned(stored)
}

/// The text that was stored.
pub(crate) fn read_text(stored: &str) -> String {
    read(stored, "\0")
}

/// The JSON text that was stored.
pub(crate) fn read_json(stored: &str) -> String {
    read(stored, JSON_NUL)
}

fn read(stored: &str, nul: &str) -> String {
    if !stored.contains(MARK) {
        return stored.to_owned();
    }
    // The other order would read the mark that a text held, and a `0` behind it, as U+0000.
    let mut text = String::with_capacity(stored.len());
    let mut rest = stored;
    while let Some(at) = rest.find(MARK) {
        let (before, marked) = rest.split_at(at);
        text.push_str(before);
        rest = if let Some(behind) = marked.strip_prefix(NUL) {
            text.push_str(nul);
            behind
        } else {
            // A mark without its number is another program's.
            text.push(MARK);
            marked.strip_prefix(MARK_ITSELF).unwrap_or(&marked[MARK.len_utf8()..])
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 10] = [
        "",
        "plain",
        "\0",
        "a\0b\0\0c",
        "\u{FDD0}",
        "\u{FDD0}0",
        "\u{FDD0}1\0",
        "\\u0000",
        "\\\0 \\\\u0000 \"\0\" \u{1}",
        "ä\u{FDD0}\0ö",
    ];

    #[test]
    fn texts_come_back() {
        for text in TEXTS {
            let stored = store_text(text);
            assert!(!stored.contains('\0'));
            assert_eq!(read_text(&stored), text, "{stored:?}");
        }
    }

    #[test]
    fn json_comes_back_and_stays_json() {
        for text in TEXTS {
            let json = serde_json::json!({ text: [text, {"n": text}] }).to_string();
            let stored = store_json(&json);
            let seen: serde_json::Value = serde_json::from_str(&stored).unwrap();
            assert!(!seen.to_string().contains("\\u0000") || text.contains("\\u0000"), "{stored}");
            assert_eq!(read_json(&stored), json);
        }
    }

    #[test]
    fn most_texts_are_stored_as_they_are() {
        assert!(matches!(store_text("plain"), Cow::Borrowed("plain")));
        assert!(matches!(store_json("{\"a\": \"\\n\"}"), Cow::Borrowed(_)));
    }
}
