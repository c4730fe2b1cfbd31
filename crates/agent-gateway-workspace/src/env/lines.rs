//! Tells the assignments of a `.env` file apart, before any of them is read.
//!
//! The quotes and escapes are those of dotenvy, which reads them later. It also puts variables into values, where an
//! unescaped `$` stands outside single quotes, and so cuts a password short without a word. It is never given such text.

/// One assignment, or a line without any.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'t> {
    /// Where it begins, from 1.
    pub(super) number: u32,
    /// As it is written; several lines where a quoted value goes on.
    pub(super) text: &'t str,
    pub(super) nature: Nature,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Its values stand as they are written.
    Literal,
    /// It holds an unescaped `$` outside single quotes.
    Expands,
    /// Its quotes are never closed.
    Open,
}

/// Where the text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start or after a blank, where `#` begins a comment.
    Blank,
    Bare,
    Single,
    Double,
    Comment,
}

impl State {
    /// After a character that nothing precedes which would change its meaning.
    fn after(self, c: char) -> Self {
        match (self, c) {
            (Self::Comment, _) | (Self::Blank, '#') => Self::Comment,
            (Self::Single | Self::Double, _) if Some(c) != self.closing() => self,
            (Self::Blank | Self::Bare, '\'') => Self::Single,
            (Self::Blank | Self::Bare, '"') => Self::Double,
            (Self::Blank | Self::Bare, ' ' | '\t') => Self::Blank,
            _ => Self::Bare,
        }
    }

    fn closing(self) -> Option<char> {
        match self {
            Self::Single => Some('\''),
            Self::Double => Some('"'),
            _ => None,
        }
    }

    /// Whether `\` and `$` mean something here.
    fn is_live(self) -> bool {
        matches!(self, Self::Blank | Self::Bare | Self::Double)
    }
}

/// The lines in order.
pub(super) fn lines(text: &str) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let (mut start, mut begun, mut number) = (0, 1, 1);
    let (mut state, mut nature, mut is_escaped) = (State::Blank, Nature::Literal, false);
    for (index, c) in text.char_indices() {
        if c == '\n' {
            number += 1;
        }
        if c == '\n' && state.closing().is_none() {
            lines.push(Line { number: begun, text: &text[start..index], nature });
            (start, begun) = (index + 1, number);
            (state, nature, is_escaped) = (State::Blank, Nature::Literal, false);
        } else if is_escaped {
            is_escaped = false;
        } else if c == '\\' && state.is_live() {
            is_escaped = true;
            state = if state == State::Double { state } else { State::Bare };
        } else {
            if c == '$' && state.is_live() {
                nature = Nature::Expands;
            }
            state = state.after(c);
        }
    }
    let nature = if state.closing().is_some() { Nature::Open } else { nature };
    lines.push(Line { number: begun, text: &text[start..], nature });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_is_live_where_dotenvy_would_put_a_variable_in() {
        for (text, nature) in [
            ("A=b$c", Nature::Expands),
            ("A=$c", Nature::Expands),
            ("A=${c}", Nature::Expands),
            ("A=b$", Nature::Expands),
            ("A=\"b$c\"", Nature::Expands),
            ("A='b'$c", Nature::Expands),
            (r"A='b\'$c", Nature::Expands),
            (r"A=b\\$c", Nature::Expands),
            ("A=b#$c", Nature::Expands),
            ("A='b$c'", Nature::Literal),
            (r"A=b\$c", Nature::Literal),
            (r#"A="b\$c""#, Nature::Literal),
            (r#"A="b\"'"'$c'"#, Nature::Literal),
            ("A=b # $c", Nature::Literal),
            ("# it's $c", Nature::Literal),
            ("A='b$c", Nature::Open),
            ("A=\"b$c", Nature::Open),
        ] {
            assert_eq!(lines(text), [Line { number: 1, text, nature }], "{text}");
        }
    }

    #[test]
    fn quotes_go_on_over_lines_and_everything_else_ends_with_its_own() {
        let text = "A='1\n$2'\nB=x\\\n# it's\n\nC=\"3\n$4\" # why\nD=5";
        let found: Vec<_> =
            lines(text).into_iter().map(|line| (line.number, line.nature, line.text)).collect();
        let expected = [
            (1, Nature::Literal, "A='1\n$2'"),
            (3, Nature::Literal, "B=x\\"),
            (4, Nature::Literal, "# it's"),
            (5, Nature::Literal, ""),
            (6, Nature::Expands, "C=\"3\n$4\" # why"),
            (8, Nature::Literal, "D=5"),
        ];
        assert_eq!(found, expected);
    }
}
