//! Finds secrets in texts that are about to be shown.
use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet, fmt, fmt::Write as _};

use serde_json::Value;

use crate::secret::Secret;

/// Shorter values are not looked for: they would be found inside of ordinary words. In bytes.
const SHORTEST: usize = 4;

/// The texts by which some secrets can be recognised.
#[derive(Clone, Default)]
pub struct Redaction(Vec<Secret>);

impl Redaction {
    /// Of these secrets. One that is a JSON object or array is recognised by its parts too, and each also as it is written
    /// within JSON.
    pub fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut texts = BTreeSet::new();
        for secret in secrets {
            let text = secret.expose();
            if let Ok(value @ (Value::Array(_) | Value::Object(_))) = serde_json::from_str(text) {
                gather(&value, &mut texts);
            }
            texts.insert(text.to_owned());
        }
        let written: Vec<String> = texts.iter().flat_map(|text| written(text)).collect();
        texts.extend(written);
        let mut texts: Vec<Secret> =
            texts.into_iter().filter(|text| text.len() >= SHORTEST).map(Secret::new).collect();
        // The longest first, so that no part of a longer one is left.
        texts.sort_by_key(|text| Reverse(text.expose().len()));
        Self(texts)
    }

    /// Whether there is nothing to be found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text with `mask` in place of every secret.
    #[must_use]
    pub fn hide<'a>(&self, text: &'a str, mask: &str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in self.0.iter().map(Secret::expose) {
            if text.contains(secret) {
                text = Cow::Owned(text.replace(secret, mask));
            }
        }
        text
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redaction")
    }
}

/// The texts and numbers of a structured secret.
fn gather(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text.clone())),
        Value::Number(number) => drop(texts.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| gather(item, texts)),
        Value::Object(map) => map.values().for_each(|item| gather(item, texts)),
        Value::Null | Value::Bool(_) => {}
    }
}

/// As it stands between the quotes of JSON: with every character, and with those of ASCII alone, as Python writes it.
fn written(text: &str) -> [String; 2] {
    let json = Value::from(text).to_string();
    let whole = json[1..json.len() - 1].to_owned();
    let mut ascii = String::with_capacity(whole.len());
    for character in whole.chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    [whole, ascii]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hidden(secrets: &[&str], text: &str) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        Redaction::of(&secrets).hide(text, "***").into_owned()
    }

    #[test]
    fn the_longest_is_found_first_and_short_ones_are_left_alone() {
        assert_eq!(hidden(&["abcd", "abcdef", "xyz"], "abcdef abcd xyz"), "*** *** xyz");
        assert_eq!(hidden(&[], "abcdef"), "abcdef");
    }

    #[test]
    fn secrets_are_found_as_json_writes_them() {
        let secret = "p\"ä😀ss";
        for text in [json!([secret]).to_string(), "[\"p\\\"\\u00e4\\ud83d\\ude00ss\"]".to_owned()] {
            assert_eq!(hidden(&[secret], &text), "[\"***\"]");
        }
    }

    #[test]
    fn a_structured_secret_is_found_in_parts() {
        let secret = json!({"user": "anna", "password": "hunter2", "port": 70_071, "on": true}).to_string();
        assert_eq!(hidden(&[&secret], "anna, hunter2 at 70071: true"), "***, *** at ***: true");
        assert_eq!(hidden(&[&secret], &secret), "***");
        assert_eq!(format!("{:?}", Redaction::of(&[Secret::new("hunter2")])), "Redaction");
    }
}
