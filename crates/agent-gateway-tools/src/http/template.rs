//! Texts with placeholders: `{name}` for an argument, `${NAME}` for a variable.
use std::{collections::BTreeSet, fmt};

use agent_gateway_core::{Error, JsonMap, Result};
use serde_json::Value;

/// What placeholders may stand for.
pub(crate) struct Known<'a> {
    /// The tool's parameters; without them every name may be one.
    pub(crate) arguments: Option<&'a JsonMap>,
    /// The value of a variable.
    pub(crate) variable: &'a dyn Fn(&str) -> Option<String>,
}

/// What to make of `{name}` when the tool has no parameter of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// A mistake.
    Refuse,
    /// Text, as in other languages that use braces.
    Keep,
}

/// A text in parts. Variables are filled in already, so it may hold secrets and does not print itself.
#[derive(Clone, Default)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone)]
enum Part {
    Text(String),
    Argument(String),
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.arguments()).finish()
    }
}

impl Template {
    /// Takes `text` apart. `Misconfigured` for a variable that is not set, or an argument that the tool does not have.
    pub(crate) fn parse(mut text: &str, known: &Known<'_>, unknown: Unknown) -> Result<Self> {
        let mut template = Self::default();
        while let Some(open) = text.find('{') {
            let (before, after) = (&text[..open], &text[open + 1..]);
            let Some((name, rest)) = after.split_once('}').filter(|(name, _)| is_name(name, before)) else {
                template.push(&text[..=open]);
                text = after;
                continue;
            };
            if let Some(before) = before.strip_suffix('$') {
                let value = (known.variable)(name).ok_or_else(|| {
                    Error::misconfigured("the tool names a variable that is not set").with("variable", name)
                })?;
                template.push(before);
                template.push(&value);
            } else if known.arguments.is_none_or(|arguments| arguments.contains_key(name)) {
                template.push(before);
                template.0.push(Part::Argument(name.to_owned()));
            } else if unknown == Unknown::Keep {
                template.push(&text[..open + name.len() + 2]);
            } else {
                return Err(Error::misconfigured("a placeholder names no parameter of the tool")
                    .with("placeholder", name));
            }
            text = rest;
        }
        template.push(text);
        Ok(template)
    }

    fn push(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Text(last)) => last.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }

    /// The arguments that it uses.
    pub(crate) fn arguments(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        for part in &self.0 {
            if let Part::Argument(name) = part {
                names.insert(name.as_str());
            }
        }
        names
    }

    /// The argument that it is, when it is nothing else.
    pub(crate) fn sole_argument(&self) -> Option<&str> {
        if let [Part::Argument(name)] = self.0.as_slice() { Some(name) } else { None }
    }

    /// The text before the first argument.
    pub(crate) fn prefix(&self) -> &str {
        if let Some(Part::Text(text)) = self.0.first() { text } else { "" }
    }

    /// Cuts it at each `separator` of its text; arguments hold none.
    pub(crate) fn split(self, separator: char) -> Vec<Self> {
        let mut pieces = vec![Self::default()];
        for part in self.0 {
            let texts = match &part {
                Part::Argument(_) => {
                    if let Some(last) = pieces.last_mut() {
                        last.0.push(part);
                    }
                    continue;
                }
                Part::Text(text) => text.split(separator),
            };
            for (index, text) in texts.enumerate() {
                if index > 0 {
                    pieces.push(Self::default());
                }
                if let Some(last) = pieces.last_mut() {
                    last.push(text);
                }
            }
        }
        pieces
    }

    /// The text with `arguments` put in as `put` writes them. `Err` is the name of one that is missing.
    pub(crate) fn fill(&self, arguments: &JsonMap, put: impl Fn(&str) -> String) -> Result<String, &str> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Argument(name) => {
                    let text = arguments.get(name).and_then(plain).ok_or(name.as_str())?;
                    filled.push_str(&put(&text));
                }
            }
        }
        Ok(filled)
    }

    /// The text with `arguments` put in, where a missing one is the empty text.
    pub(crate) fn fill_leniently(&self, arguments: &JsonMap) -> String {
        let texts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Argument(name) => arguments.get(name).and_then(plain).unwrap_or_default(),
        });
        texts.collect()
    }
}

/// Whether a text in braces is a name. What follows a `$` is one, whatever it is made of.
fn is_name(text: &str, before: &str) -> bool {
    if before.ends_with('$') {
        return !text.is_empty();
    }
    let start = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    start && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// A value as text: lists of plain values joined by commas, other structures as JSON, nothing for null.
pub(crate) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if !items.iter().any(|item| item.is_array() || item.is_object()) => {
            Some(items.iter().filter_map(plain).collect::<Vec<_>>().join(","))
        }
        other => Some(other.to_string()),
    }
}

/// `text` for a path segment or a query: everything but letters, digits and `-._~` is percent-encoded.
pub(crate) fn encode(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn arguments(value: Value) -> JsonMap {
        serde_json::from_value(value).unwrap()
    }

    fn parse(text: &str, unknown: Unknown) -> Result<Template> {
        let known = arguments(json!({"a": {}, "b": {}}));
        let variable = |name: &str| (name == "TOKEN").then(|| "{a}-$".to_owned());
        Template::parse(text, &Known { arguments: Some(&known), variable: &variable }, unknown)
    }

    #[test]
    fn fills_arguments_and_variables() {
        let given = arguments(json!({"a": "x y", "b": [1, true, null, "z"]}));
        let template = parse("${TOKEN}{a}/{b}{", Unknown::Refuse).unwrap();
        assert_eq!(template.fill(&given, str::to_owned).unwrap(), "{a}-$x y/1,true,z{");
        assert_eq!(template.fill(&given, encode).unwrap(), "{a}-$x%20y/1%2Ctrue%2Cz{");
        assert_eq!(template.fill(&arguments(json!({"a": 1})), encode), Err("b"));
        assert_eq!(template.arguments(), BTreeSet::from(["a", "b"]));
        assert_eq!(format!("{template:?}"), r#"{"a", "b"}"#);
    }

    #[test]
    fn a_variable_is_not_read_as_a_placeholder_of_an_argument() {
        assert!(parse("${TOKEN}", Unknown::Refuse).unwrap().arguments().is_empty());
        let error = parse("${MISSING}", Unknown::Refuse).unwrap_err();
        assert!(error.to_string().contains("MISSING"), "{error}");
    }

    #[test]
    fn braces_of_other_languages_stay() {
        let text = "query { user{name} ${}";
        let template = parse(text, Unknown::Keep).unwrap();
        assert_eq!(template.fill_leniently(&JsonMap::new()), text);
        assert!(parse(text, Unknown::Refuse).is_err());
    }

    #[test]
    fn splits_text_and_keeps_arguments() {
        let pieces = parse("x={a}&y&{b}", Unknown::Refuse).unwrap().split('&');
        let given = arguments(json!({"a": "1&2", "b": 3}));
        let filled: Vec<_> = pieces.iter().map(|piece| piece.fill_leniently(&given)).collect();
        assert_eq!(filled, ["x=1&2", "y", "3"]);
    }
}
