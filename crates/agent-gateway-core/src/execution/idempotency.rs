//! What makes a repeated request run once.
use std::{fmt, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::id::IdempotencyKey;

/// How long a key stands for the request that it came with first.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// A client's key, and what it came with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// The key.
    pub key: IdempotencyKey,
    /// Of the request.
    pub fingerprint: Fingerprint,
}

/// The SHA-256 of a request, in hexadecimal digits. Two requests that say the same have the same one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Arc<str>);

impl Fingerprint {
    /// The fingerprint of a JSON value; the order of its keys does not count.
    #[must_use]
    pub fn of(request: &Value) -> Self {
        let mut hash = Sha256::new();
        feed(&mut hash, request);
        let text = hash.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            use fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self(text.into())
    }

    /// As a store gives it back.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Objects are fed in the order of their keys, everything else as its own JSON.
fn feed(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            hash.update(b"{");
            for (name, member) in members {
                feed(hash, &Value::String(name.clone()));
                hash.update(b":");
                feed(hash, member);
                hash.update(b",");
            }
            hash.update(b"}");
        }
        Value::Array(items) => {
            hash.update(b"[");
            for item in items {
                feed(hash, item);
                hash.update(b",");
            }
            hash.update(b"]");
        }
        plain => hash.update(plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_count_and_everything_else_does() {
        let one = Fingerprint::of(&json!({"a": 1, "b": {"c": [1, 2], "d": null}}));
        assert_eq!(one, Fingerprint::of(&json!({"b": {"d": null, "c": [1, 2]}, "a": 1})));
        for other in [
            json!({"a": 1, "b": {"c": [2, 1], "d": null}}),
            json!({"a": "1", "b": {"c": [1, 2], "d": null}}),
            json!({"a": 1, "b": {"c": [1, 2]}}),
            json!({"a": 1}),
        ] {
            assert_ne!(one, Fingerprint::of(&other), "{other}");
        }
        assert_eq!(one.as_str().len(), 64);
    }
}
