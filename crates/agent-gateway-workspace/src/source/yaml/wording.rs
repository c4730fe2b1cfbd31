//! What people are told of a text that is not YAML. The library speaks to programmers: of its options and types.
use serde_saphyr::{Error, budget::BudgetBreach};

/// The sentence, and what to do about it; the latter is empty when the sentence says it.
pub(super) fn sentence(error: &Error) -> (String, &'static str) {
    let said = |message: &str, hint| (message.to_owned(), hint);
    match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => sentence(error),
        Error::DuplicateMappingKey { key, .. } => {
            let key =
                key.as_deref().map_or_else(|| "a key".to_owned(), |key| format!("the key `{}`", shown(key)));
            (format!("{key} stands twice"), "keep one of them")
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => said(
            "an alias such as `*name` stands inside of the value that it refers to",
            "write the value out",
        ),
        Error::UnknownAnchor { .. } => said(
            "an alias such as `*name` refers to nothing that stands before it",
            "put a text that begins with `*` in quotes",
        ),
        Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            said("holds more than one YAML document", "remove the lines `---` and `...` between them")
        }
        Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::Budget { .. } => {
            said("is too large, nested too deeply, or has too many aliases", "make it simpler")
        }
        Error::MergeValueNotMapOrSeqOfMaps { .. } => said("`<<` takes a mapping or a list of mappings", ""),
        Error::UnsupportedTag { .. }
        | Error::TaggedScalarCannotDeserializeIntoString { .. }
        | Error::InvalidBinaryBase64 { .. }
        | Error::BinaryNotUtf8 { .. }
        | Error::InvalidScalar { .. } => said(
            "a tag such as `!name` is not known, or does not fit its value",
            "put a text that begins with `!` in quotes",
        ),
        Error::NonFiniteFloat { .. } => said("a number is not finite", "write a number such as 1.5"),
        Error::Unexpected { .. } | Error::NullIntoString { .. } => {
            said("a key is not a text", "put a text that begins with `{` or `[` in quotes")
        }
        Error::Eof { .. } => said("ends in the middle of a value", ""),
        // These two are plain: the grammar's sentences, and our own.
        Error::ExternalMessage { msg, .. } | Error::Message { msg, .. } => (first_line(msg), ""),
        _ => said("is not the YAML of settings", "write keys and values such as `description: text`"),
    }
}

/// Without the mention of a line, which the finding has itself.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let line = line.find(" at line ").map_or(line, |end| &line[..end]);
    line.chars().take(300).collect()
}

fn shown(key: &str) -> String {
    key.chars().filter(|c| !c.is_control()).take(80).collect()
}
