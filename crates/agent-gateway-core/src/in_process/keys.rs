use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    Error, Result, Timestamp,
    clock::{Clock, SystemClock},
    id::UserId,
    ports::auth::{AuthProvider, AuthScheme, Authenticated, Credential, Rejection},
    principal::{AuthMethod, Principal, Scopes},
    secret::Secret,
};

/// A key of the configuration and what its holder may do.
#[derive(Clone, Debug)]
pub struct ApiKey {
    name: String,
    key: Secret,
    scopes: Scopes,
    expires_at: Option<Timestamp>,
    standing: Standing,
}

/// Whether a key still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Valid,
    Revoked,
}

impl ApiKey {
    /// A key with every scope that never expires. The holder is known as `apikey:<name>`.
    pub fn new(name: impl Into<String>, key: impl Into<Secret>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
            scopes: Scopes::all(),
            expires_at: None,
            standing: Standing::Valid,
        }
    }

    /// The same key with these scopes alone.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Scopes::new(scopes);
        self
    }

    /// The same key, refused from this instant on.
    #[must_use]
    pub fn expires_at(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at);
        self
    }

    /// The same key, taken back: its holder is told so.
    #[must_use]
    pub fn revoked(mut self) -> Self {
        self.standing = Standing::Revoked;
        self
    }
}

/// Knows callers by their API keys, of which it keeps the SHA-256 alone.
///
/// A key may come as `X-API-Key` or as a bearer token. An unknown bearer token with the shape of a JWT is `NotMine`, so
/// that a provider of tokens can follow in the chain.
pub struct ApiKeys {
    /// By the first bytes of the digest, so that only few digests are compared in full.
    known: HashMap<[u8; 8], Vec<Known>>,
    clock: Arc<dyn Clock>,
}

struct Known {
    digest: [u8; 32],
    principal: Principal,
    expires_at: Option<Timestamp>,
    standing: Standing,
}

impl ApiKeys {
    /// Takes the keys in. An empty key or name, a key with white space at its ends, and a name or key that appears twice
    /// are `Misconfigured`.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>) -> Result<Self> {
        let mut names: Vec<String> = Vec::new();
        let mut known: HashMap<[u8; 8], Vec<Known>> = HashMap::new();
        for key in keys {
            check(&key)?;
            if names.contains(&key.name) {
                return Err(misconfigured("two API keys have the same name", &key.name));
            }
            let digest = digest(key.key.expose());
            let bucket = known.entry(prefix(&digest)).or_default();
            if bucket.iter().any(|other| other.digest == digest) {
                return Err(misconfigured("this API key has the same text as another one", &key.name));
            }
            let user = UserId::new(format!("apikey:{}", key.name)).map_err(|error| {
                misconfigured("the API key's name cannot be an identity", &key.name).caused_by(error)
            })?;
            let principal = Principal::user(user, AuthMethod::ApiKey, key.scopes);
            let (expires_at, standing) = (key.expires_at, key.standing);
            bucket.push(Known { digest, principal, expires_at, standing });
            names.push(key.name);
        }
        Ok(Self { known, clock: Arc::new(SystemClock) })
    }

    /// The same keys, whose expiry is judged by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.values().map(Vec::len).sum()
    }

    /// Whether there is no key, so that nobody can be known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn find(&self, presented: &str) -> Option<&Known> {
        let digest = digest(presented);
        self.known.get(&prefix(&digest))?.iter().find(|known| known.digest.ct_eq(&digest).into())
    }
}

fn check(key: &ApiKey) -> Result<()> {
    let text = key.key.expose();
    if key.name.trim().is_empty() {
        return Err(Error::misconfigured("an API key has no name; give each key a name of its own")
            .during("api-keys.new"));
    }
    if text.trim().is_empty() {
        return Err(misconfigured("an API key is empty; set its text or remove it", &key.name));
    }
    if text.trim() != text {
        return Err(misconfigured("an API key begins or ends with white space", &key.name));
    }
    Ok(())
}

fn misconfigured(message: &'static str, name: &str) -> Error {
    Error::misconfigured(message).during("api-keys.new").with("name", name)
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn prefix(digest: &[u8; 32]) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    [a, b, c, d, e, f, g, h]
}

/// Three parts of base64url between dots; the last one may be empty.
fn looks_like_jwt(text: &str) -> bool {
    let mut parts = text.split('.');
    let encoded =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    let filled = |part: Option<&str>| part.is_some_and(|part| !part.is_empty() && encoded(part));
    filled(parts.next())
        && filled(parts.next())
        && parts.next().is_some_and(encoded)
        && parts.next().is_none()
}

#[async_trait]
impl AuthProvider for ApiKeys {
    fn schemes(&self) -> &[AuthScheme] {
        &[AuthScheme::Bearer, AuthScheme::ApiKey]
    }

    async fn authenticate(&self, credential: &Credential) -> Result<Authenticated> {
        let presented = credential.secret().expose();
        let Some(known) = self.find(presented) else {
            let foreign = matches!(credential, Credential::Bearer(_)) && looks_like_jwt(presented);
            return Ok(if foreign { Authenticated::NotMine } else { Authenticated::No(Rejection::Unknown) });
        };
        Ok(match (known.standing, known.expires_at) {
            (Standing::Revoked, _) => Authenticated::No(Rejection::Revoked),
            (Standing::Valid, Some(at)) if self.clock.now() >= at => Authenticated::No(Rejection::Expired),
            (Standing::Valid, _) => Authenticated::Yes(known.principal.clone()),
        })
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").field("keys", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
