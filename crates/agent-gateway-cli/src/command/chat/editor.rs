//! The prompt line of a terminal.
use std::{
    borrow::Cow,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use reedline::{
    Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal, SimpleMatchHighlighter, ValidationResult,
    Validator,
};

use super::{
    history::{history, prepare},
    input::{Said, Source},
};
use crate::output;

/// Reads messages from the person at the terminal.
pub(super) struct Editor {
    line: Reedline,
    history: Option<PathBuf>,
    continued: Continued,
}

impl Editor {
    /// An editor that gives up its line when `stop` becomes true.
    pub(super) fn new(stop: Arc<AtomicBool>) -> Self {
        let continued = Continued::default();
        let (history, file) = history();
        let line = Reedline::create()
            .with_history(Box::new(history))
            // A line behind a blank is not kept, as in shells.
            .with_history_exclusion_prefix(Some(" ".to_owned()))
            .with_validator(Box::new(continued.clone()))
            .with_highlighter(Box::new(SimpleMatchHighlighter::default()))
            .with_ansi_colors(output::colours())
            .with_break_signal(stop)
            .use_bracketed_paste(true);
        Self { line, history: file, continued }
    }
}

impl Source for Editor {
    fn read(&mut self) -> io::Result<Said> {
        self.continued.forget();
        match self.line.read_line(&You)? {
            Signal::Success(text) => {
                // At once, so that a conversation that is cut off is remembered too.
                let prepared = self.history.as_deref().map_or(Ok(()), prepare);
                if let Err(error) = prepared.and_then(|()| self.line.sync_history()) {
                    output::note(format_args!("the history could not be written: {error}"));
                }
                Ok(Said::Text(self.continued.join(&text)))
            }
            Signal::CtrlC => Ok(Said::Text(String::new())),
            _ => Ok(Said::Nothing),
        }
    }
}

/// A line that ends in a backslash goes on. It remembers which backslashes these were, so that those of a pasted text stay.
#[derive(Clone, Debug, Default)]
struct Continued(Arc<Mutex<Vec<String>>>);

impl Continued {
    fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The message without the backslashes that stood for a line break. One that nothing follows is part of it.
    fn join(&self, text: &str) -> String {
        let mut joined = text.to_owned();
        // The longest first: what is taken out does not move what lies before it.
        for before in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev() {
            let rest = joined.strip_prefix(before.as_str()).and_then(|rest| rest.strip_prefix("\\\n"));
            match rest.map(str::is_empty) {
                Some(true) => joined.truncate(before.len() + 1),
                Some(false) => drop(joined.remove(before.len())),
                None => {}
            }
        }
        joined
    }
}

impl Validator for Continued {
    fn validate(&self, line: &str) -> ValidationResult {
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        if backslashes.is_multiple_of(2) {
            return ValidationResult::Complete;
        }
        let before = line[..line.len() - 1].to_owned();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(before);
        ValidationResult::Incomplete
    }
}

/// The words before the line.
struct You;

impl Prompt for You {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "you> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "...> ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        format!("search '{}'> ", search.term).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_at_the_end_goes_on_in_the_next_line() {
        let line = Continued::default();
        assert!(matches!(line.validate("one \\"), ValidationResult::Incomplete));
        assert!(matches!(line.validate("one \\\ntwo\\"), ValidationResult::Incomplete));
        assert!(matches!(line.validate("one \\\ntwo\\\nthree"), ValidationResult::Complete));
        assert_eq!(line.join("one \\\ntwo\\\nthree"), "one \ntwo\nthree");
        assert_eq!(line.join("one \\\ntwo\\\n"), "one \ntwo\\", "nothing follows the last one");
        line.forget();
        assert_eq!(line.join("make \\\n all"), "make \\\n all", "a pasted one stays");
        assert!(matches!(line.validate("two \\\\"), ValidationResult::Complete));
    }
}
