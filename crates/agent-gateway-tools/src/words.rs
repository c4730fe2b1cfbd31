//! What the model is told of a failure: short, and without secrets.
use std::{borrow::Cow, collections::BTreeMap};

use agent_gateway_core::{id::ToolName, redaction::Redaction, secret::Secret, tool::ToolContext};

/// The most bytes that a process may answer.
pub(crate) const LONGEST_ANSWER: usize = 8 << 20;
/// The most characters of a handler's own words that reach the model.
pub(crate) const LONGEST_MESSAGE: usize = 500;
/// The most bytes of what a handler printed that reach the log, for each call.
const LONGEST_LOG: usize = 4096;
/// What stands in place of a secret.
const MASK: &str = "[redacted]";

/// `text`, cut to `most` characters.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The last line that is not blank, cut to [`LONGEST_MESSAGE`].
pub(crate) fn last_line(text: &str) -> Option<String> {
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(shorten(line, LONGEST_MESSAGE))
}

/// `text` without the secrets that the call had in its hands.
pub(crate) fn redact<'a>(
    text: &'a str,
    held: &BTreeMap<String, Secret>,
    context: &ToolContext,
) -> Cow<'a, str> {
    Redaction::of(held.values().chain(context.user_secrets.values())).hide(text, MASK)
}

/// Writes the end of what a handler printed to the log.
pub(crate) fn log_printed(
    tool: &ToolName,
    printed: &str,
    held: &BTreeMap<String, Secret>,
    context: &ToolContext,
) {
    let printed = redact(printed.trim_end(), held, context);
    let printed = &printed[printed.ceil_char_boundary(printed.len().saturating_sub(LONGEST_LOG))..];
    if !printed.is_empty() {
        tracing::info!(%tool, execution = %context.execution_id, printed, "handler output");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agent_gateway_core::id::{AgentId, ExecutionId};

    #[test]
    fn secrets_do_not_come_through() {
        let held = BTreeMap::from([
            ("TOKEN".to_owned(), Secret::new("tok-12345")),
            ("SHORT".to_owned(), Secret::new("on")),
        ]);
        let mut context = ToolContext::root(ExecutionId::generate(), AgentId::new("a").unwrap());
        context.user_secrets =
            std::sync::Arc::new(BTreeMap::from([("mine".to_owned(), Secret::new("hunter22"))]));
        let said = redact("tok-12345 went on with hunter22", &held, &context);
        assert_eq!(said, "[redacted] went on with [redacted]");
    }

    #[test]
    fn cuts_at_characters_and_says_so() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü", 2), "äö…");
        assert_eq!(last_line("one\n two \n\n").as_deref(), Some("two"));
        assert_eq!(last_line("\n \n"), None);
    }
}
