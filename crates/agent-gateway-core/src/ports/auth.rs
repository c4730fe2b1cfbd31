//! Who is it? Providers form a chain: each says yes, no, or "not mine".
use std::fmt;

use async_trait::async_trait;

use crate::{Result, principal::Principal, secret::Secret};

/// What a caller presented.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// `Authorization: Bearer <token>`.
    Bearer(Secret),
    /// `X-API-Key: <key>`.
    ApiKey(Secret),
}

impl Credential {
    /// The secret text.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        match self {
            Self::Bearer(secret) | Self::ApiKey(secret) => secret,
        }
    }
}

/// How callers present themselves: for the challenge header and the API's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthScheme {
    /// `Authorization: Bearer`.
    Bearer,
    /// A key header.
    ApiKey,
}

/// What a provider says.
#[derive(Debug)]
pub enum Authenticated {
    /// This is who it is.
    Yes(Principal),
    /// Another provider may know.
    NotMine,
    /// It claims to be known here, and is refused.
    No(Rejection),
}

/// Why a credential is refused. The display is shown to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// Nobody has this credential.
    Unknown,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
    /// It breaks a rule, in a public sentence.
    Invalid(String),
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "Invalid API key",
            Self::Expired => "Credential expired",
            Self::Revoked => "Credential revoked",
            Self::Invalid(sentence) => sentence,
        })
    }
}

/// Tells who a caller is.
#[async_trait]
pub trait AuthProvider: fmt::Debug + Send + Sync + 'static {
    /// The schemes that it understands. Does not block.
    fn schemes(&self) -> &[AuthScheme];

    /// Judges a credential.
    ///
    /// - An empty credential is never `Yes`.
    /// - The time taken does not depend on how much of a secret was right.
    /// - `Err` means that it could not judge (`Unavailable`); the caller is then refused, not let in.
    async fn authenticate(&self, credential: &Credential) -> Result<Authenticated>;
}
