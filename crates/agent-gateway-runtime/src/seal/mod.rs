//! Sealing of secrets that the gateway stores: whoever has the database alone reads none of them.
use std::fmt;

use agent_gateway_core::{
    id::{AgentId, UserId},
    secret::Secret,
    vars::Vars,
};

mod fernet;
mod key;

use fernet::FernetKey;
use key::SealingKey;

/// The variable that holds the key for stored secrets.
pub const SECRET_KEY: &str = "AGENT_GATEWAY_SECRET_KEY";
/// The variable that lists earlier keys, separated by commas: what they sealed can still be opened.
pub const SECRET_KEY_OLD: &str = "AGENT_GATEWAY_SECRET_KEY_OLD";
/// How many earlier keys are read.
const MAX_OLD_KEYS: usize = 32;

/// The keys for stored secrets.
#[derive(Default)]
pub struct Keyring {
    /// Seals. Without it, nothing can be sealed.
    current: Option<Keys>,
    /// Open what they once sealed.
    old: Vec<Keys>,
}

/// What is derived from the text of one key.
struct Keys {
    own: SealingKey,
    fernet: FernetKey,
}

/// What a sealed text belongs to. A token that is moved to another place cannot be opened there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A field of a user's settings for an agent.
    Setting { user: &'a UserId, agent: &'a AgentId, field: &'a str },
}

/// A text that was opened.
#[derive(Debug)]
pub(crate) enum Opened {
    /// Sealed by this gateway.
    Own(Secret),
    /// Sealed by the Python package.
    Fernet(Secret),
}

/// Why a text could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealError {
    /// There is no key.
    NoKey,
    /// None of the keys is the one that sealed it.
    OtherKey,
    /// The token is damaged, or belongs to another place.
    Damaged,
}

impl Keyring {
    /// The keys of the environment. An empty variable is none.
    #[must_use]
    pub fn read(vars: &dyn Vars) -> Self {
        let text = |name| Secret::new(vars.get(name).unwrap_or_default());
        let (current, old) = (text(SECRET_KEY), text(SECRET_KEY_OLD));
        let old = old.expose().split(',').filter_map(Keys::derive).take(MAX_OLD_KEYS);
        Self { current: Keys::derive(current.expose()), old: old.collect() }
    }

    /// Whether secrets can be stored.
    #[must_use]
    pub fn can_seal(&self) -> bool {
        self.current.is_some()
    }

    /// Seals a text for one place.
    pub(crate) fn seal(&self, text: &Secret, place: Place<'_>) -> Result<String, SealError> {
        self.current.as_ref().ok_or(SealError::NoKey)?.own.seal(text, place)
    }

    /// Opens what [`seal`](Self::seal) or the Python package made with one of the keys.
    pub(crate) fn open(&self, token: &str, place: Place<'_>) -> Result<Opened, SealError> {
        let mut keys = self.current.iter().chain(&self.old).peekable();
        if keys.peek().is_none() {
            return Err(SealError::NoKey);
        }
        match key::id_of(token) {
            Some(id) => {
                let key = keys.find(|keys| keys.own.id() == id).ok_or(SealError::OtherKey)?;
                key.own.open(token, place).map(Opened::Own)
            }
            None => keys
                .find_map(|keys| keys.fernet.open(token))
                .map(Opened::Fernet)
                .ok_or(if fernet::is_one(token) { SealError::OtherKey } else { SealError::Damaged }),
        }
    }
}

impl Keys {
    /// `None`: there is no text.
    fn derive(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self { own: SealingKey::derive(text), fernet: FernetKey::derive(text) })
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = usize::from(self.can_seal()) + self.old.len();
        f.debug_struct("Keyring").field("keys", &count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
