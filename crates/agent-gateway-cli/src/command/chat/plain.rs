//! Text of others that must not drive the terminal.

/// Makes a text harmless that comes in pieces: line breaks and tabs stay, every other control character is shown as a picture.
#[derive(Debug, Default)]
pub(super) struct Harmless {
    /// A carriage return at the end of the last piece: harmless only where a line feed follows.
    held: Option<char>,
}

impl Harmless {
    /// The next piece, as it may be shown.
    pub(super) fn piece(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            if self.held.take().is_some() && character != '\n' {
                shown.push(picture('\r'));
            }
            match character {
                '\r' => self.held = Some(character),
                other => shown.push(picture(other)),
            }
        }
        shown
    }

    /// What was held back at the end of the text.
    pub(super) fn end(&mut self) -> String {
        self.held.take().map(picture).into_iter().collect()
    }
}

/// A whole text, as it may be shown.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = Harmless::default();
    let mut shown = harmless.piece(text);
    shown.push_str(&harmless.end());
    shown
}

fn picture(character: char) -> char {
    match character {
        '\n' | '\t' => character,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        // One character that begins a sequence, to terminals that know it.
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        other => other,
    }
}

/// A value in one line of at most `most` characters.
pub(super) fn short(value: &serde_json::Value, most: usize) -> String {
    let text = match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = String::new();
    for (number, character) in text.chars().enumerate() {
        if number == most {
            line.push('…');
            break;
        }
        line.push(if character.is_whitespace() { ' ' } else { picture(character) });
    }
    line
}

/// A value as JSON in one line. JSON leaves some control characters as they are; here they are escaped too.
pub(super) fn json_line(value: &serde_json::Value) -> String {
    let mut line = String::new();
    for character in value.to_string().chars() {
        match character {
            '\x7f'..='\u{9f}' => line.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => line.push(other),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_breaks_and_tabs_stay() {
        assert_eq!(harmless("a\n\tb \u{e9} \u{1f600}"), "a\n\tb \u{e9} \u{1f600}");
        assert_eq!(harmless("\u{1b}[2J\u{1b}]0;x\u{7}"), "\u{241b}[2J\u{241b}]0;x\u{2407}");
        assert_eq!(harmless("\u{9b}2J\u{7f}\0\u{8}"), "\u{fffd}2J\u{2421}\u{2400}\u{2408}");
        assert_eq!(harmless("good\rbad\r\nnext\r"), "good\u{240d}bad\nnext\u{240d}");
    }

    #[test]
    fn a_line_break_may_be_cut_in_two() {
        let mut text = Harmless::default();
        let shown = [text.piece("one\r"), text.piece("\ntwo\r"), text.piece("three"), text.end()];
        assert_eq!(shown.concat(), "one\ntwo\u{240d}three");
    }

    #[test]
    fn a_value_becomes_one_short_line() {
        assert_eq!(short(&serde_json::json!({"a": "b\nc"}), 80), r#"{"a":"b\nc"}"#);
        assert_eq!(short(&serde_json::json!("one\ntwo\u{1b}"), 80), "one two\u{241b}");
        assert_eq!(short(&serde_json::json!("x".repeat(9)), 4), "xxxx…");
        assert_eq!(json_line(&serde_json::json!("\u{9b}\u{7f}\u{1b}")), r#""\u009b\u007f\u001b""#);
    }
}
