//! Names and ids as types: a value of one of these was checked when it was made.
use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Result};

/// A cheap-to-clone checked text; `$check` answers whether the text may be one.
macro_rules! checked_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            #[doc = concat!("Checks the text: ", $rule, ".")]
            pub fn new(text: impl AsRef<str>) -> Result<Self> {
                let text = text.as_ref();
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    return Ok(Self(text.into()));
                }
                let shown: String = text.chars().take(80).collect();
                Err(Error::invalid(concat!("not a valid ", $what, ": ", $rule)).with($what, shown))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_directory_id(text: &str) -> bool {
    let head = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    head && text.len() <= 64
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

fn is_word(text: &str, max: usize) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn is_line(text: &str, max: usize) -> bool {
    !text.is_empty() && text.len() <= max && !text.chars().any(char::is_control)
}

checked_id!(
    /// The directory name of an agent.
    AgentId, "agent id", "lower-case letters, digits, `_` and `-`, at most 64, starting with a letter or digit",
    is_directory_id
);
checked_id!(
    /// The directory name of a skill.
    SkillId, "skill id", "lower-case letters, digits, `_` and `-`, at most 64, starting with a letter or digit",
    is_directory_id
);
checked_id!(
    /// The name by which a model calls a tool; providers accept no other characters.
    ToolName, "tool name", "letters, digits, `_` and `-`, at most 64",
    |text| is_word(text, 64)
);
checked_id!(
    /// One execution. New ones are UUIDs of version 7, so that they sort by time.
    ExecutionId, "execution id", "letters, digits, `_` and `-`, at most 128",
    |text| is_word(text, 128)
);
checked_id!(
    /// One conversation, which is a chat session too.
    ConversationId, "session id", "one line of at most 256 bytes",
    |text| is_line(text, 256)
);
checked_id!(
    /// Who owns a thing: the subject of a token, or `apikey:<name>`.
    UserId, "user id", "one line of at most 256 bytes",
    |text| is_line(text, 256)
);
checked_id!(
    /// A schedule, such as `agent:name`.
    ScheduleId, "schedule id", "one line of at most 256 bytes",
    |text| is_line(text, 256)
);
checked_id!(
    /// A tool call that waits, or waited, for a person.
    ApprovalId, "approval id", "letters, digits, `_` and `-`, at most 128",
    |text| is_word(text, 128)
);
checked_id!(
    /// A remembered item.
    MemoryId, "memory id", "one line of at most 128 bytes",
    |text| is_line(text, 128)
);
checked_id!(
    /// An MCP server's record.
    ConnectionId, "connection id", "one line of at most 128 bytes",
    |text| is_line(text, 128)
);
checked_id!(
    /// One process of the gateway, from its start to its end.
    InstanceId, "instance id", "one line of at most 256 bytes",
    |text| is_line(text, 256)
);
checked_id!(
    /// A model in LiteLLM's form `provider/model`, or a bare well-known name.
    ModelName, "model name", "one line of at most 256 bytes",
    |text| is_line(text, 256)
);
checked_id!(
    /// What a client gives so that a repeated request runs once.
    IdempotencyKey, "idempotency key", "one line of at most 255 bytes",
    |text| is_line(text, 255)
);

impl ExecutionId {
    /// A new id, later than every id made before it on this machine.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid_text().into())
    }
}

impl ConversationId {
    /// A new id: `sess_` and 32 random hexadecimal digits, which nobody can guess.
    #[must_use]
    pub fn generate() -> Self {
        let random = uuid::Builder::from_random_bytes(random_bytes()).into_uuid();
        Self(format!("sess_{}", random.simple()).into())
    }
}

impl ApprovalId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid_text().into())
    }
}

impl ConnectionId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid_text().into())
    }
}

impl MemoryId {
    /// A new id.
    #[must_use]
    pub fn generate() -> Self {
        Self(uuid_text().into())
    }
}

fn uuid_text() -> String {
    uuid::Uuid::now_v7().hyphenated().to_string()
}

#[expect(clippy::disallowed_methods, reason = "the random bytes of version 4 are wanted here, not an id")]
fn random_bytes() -> [u8; 16] {
    *uuid::Uuid::new_v4().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_ids_follow_the_rule() {
        for good in ["a", "0a", "travel-planner", "a_b", &"a".repeat(64)] {
            assert!(AgentId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Bad_ID", "-a", "_a", "a.b", "a b", "ä", &"a".repeat(65)] {
            assert!(AgentId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn execution_ids_sort_by_time() {
        let ids: Vec<_> = (0..100).map(|_| ExecutionId::generate()).collect();
        assert!(ids.is_sorted());
    }
}
