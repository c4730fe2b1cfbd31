//! Splits a markdown file into its settings and its body.
//!
//! Settings stand at the top between two lines of three or more dashes (YAML), or between a line `{` and a line `}`
//! (JSON). Later such lines belong to the body.

/// The two parts of a file.
#[derive(Debug, PartialEq)]
pub(crate) struct Parts {
    pub(crate) head: Head,
    /// The text below the settings, without blank space around it.
    pub(crate) body: String,
}

/// The settings of a file.
#[derive(Debug, PartialEq)]
pub(crate) enum Head {
    /// There are none.
    None,
    /// YAML; its first line is line `line` of the file.
    Yaml { text: String, line: u32 },
    /// A JSON object, braces included.
    Json { text: String, line: u32 },
    /// A fence was opened at this line, settings follow, and nothing closes them; the body is empty.
    Unclosed { line: u32 },
    /// What looked like a fence at this line is a rule: no settings follow. The body is the whole text.
    Rule { line: u32 },
}

/// Splits a file. A byte order mark and blank lines before the first fence do not matter; line ends become `\n`.
pub(crate) fn split(text: &str) -> Parts {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let text = text.trim_end();
    let trimmed = text.trim_start();
    let skipped = &text[..text.len() - trimmed.len()];
    let line = u32::try_from(skipped.matches('\n').count()).unwrap_or(u32::MAX).saturating_add(1);
    let (first, rest) = trimmed.split_once('\n').unwrap_or((trimmed, ""));
    let closes: fn(&str) -> bool = match first.trim_end() {
        "{" => |line| line.trim_end() == "}",
        _ if is_fence(first) => is_fence,
        _ => return Parts { head: Head::None, body: trimmed.to_owned() },
    };
    let Some((inside, body)) = cut(rest, closes) else {
        return if begins_with_a_setting(rest) {
            Parts { head: Head::Unclosed { line }, body: String::new() }
        } else {
            Parts { head: Head::Rule { line }, body: trimmed.to_owned() }
        };
    };
    let head = if is_fence(first) {
        Head::Yaml { text: inside.to_owned(), line: line.saturating_add(1) }
    } else {
        Head::Json { text: format!("{{\n{inside}}}"), line }
    };
    Parts { head, body: body.trim().to_owned() }
}

fn is_fence(line: &str) -> bool {
    let line = line.trim_end();
    line.len() >= 3 && line.bytes().all(|byte| byte == b'-')
}

/// Whether the first line that says something is `word: …`, of YAML or of JSON. To take settings for a text could
/// lose one that guards something.
fn begins_with_a_setting(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(line) = lines.next() else { return false };
    let line = line.trim_start_matches(['{', ' ']);
    let is_quoted = line.starts_with(['"', '\'']);
    let word = line.trim_start_matches(['"', '\'']);
    let rest = word.trim_start_matches(|c: char| c.is_alphanumeric() || "_-.".contains(c));
    if rest.len() == word.len() {
        return false;
    }
    match rest.trim_start_matches(['"', '\'']).trim_start().strip_prefix(':') {
        Some(value) => is_quoted || value.is_empty() || value.starts_with(char::is_whitespace),
        None => false,
    }
}

/// What stands before and after the first line that closes.
fn cut(text: &str, closes: fn(&str) -> bool) -> Option<(&str, &str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if closes(line) {
            return Some((&text[..start], &text[start + line.len()..]));
        }
        start += line.len();
    }
    None
}

#[cfg(test)]
mod tests;
