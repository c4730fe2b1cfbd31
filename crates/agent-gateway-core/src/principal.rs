//! Who asks, what they may do, and what they may see.
use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{JsonMap, id::UserId};

/// An authenticated caller, or the one anonymous caller of a gateway whose authentication is switched off.
#[derive(Clone, Debug, PartialEq)]
pub struct Principal(Arc<Inner>);

#[derive(Debug, PartialEq)]
struct Inner {
    user: Option<UserId>,
    method: AuthMethod,
    scopes: Scopes,
    claims: JsonMap,
}

/// How a caller was identified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthMethod {
    /// Authentication is switched off.
    None,
    /// A key of the configuration.
    ApiKey,
    /// A token of an identity provider.
    Oauth2,
    /// An application's own provider.
    Custom,
    /// The gateway itself: recovery, retention, the command line.
    System,
}

impl Principal {
    /// A caller with an identity, who sees what is theirs.
    #[must_use]
    pub fn user(user: UserId, method: AuthMethod, scopes: Scopes) -> Self {
        Self(Arc::new(Inner { user: Some(user), method, scopes, claims: JsonMap::new() }))
    }

    /// The caller of a gateway without authentication: no identity, every scope.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Arc::new(Inner {
            user: None,
            method: AuthMethod::None,
            scopes: Scopes::all(),
            claims: JsonMap::new(),
        }))
    }

    /// The gateway itself.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Inner {
            user: None,
            method: AuthMethod::System,
            scopes: Scopes::all(),
            claims: JsonMap::new(),
        }))
    }

    /// The same caller with the claims of its token.
    #[must_use]
    pub fn with_claims(self, claims: JsonMap) -> Self {
        let (user, method, scopes) = (self.0.user.clone(), self.0.method, self.0.scopes.clone());
        Self(Arc::new(Inner { user, method, scopes, claims }))
    }

    /// The identity, absent for the anonymous caller and the gateway itself.
    #[must_use]
    pub fn id(&self) -> Option<&UserId> {
        self.0.user.as_ref()
    }

    /// How the caller was identified.
    #[must_use]
    pub fn method(&self) -> AuthMethod {
        self.0.method
    }

    /// What the caller may do.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The claims of the caller's token, empty where there is none.
    #[must_use]
    pub fn claims(&self) -> &JsonMap {
        &self.0.claims
    }

    /// What the caller may see: everything for `admin`, `*` and callers without an identity, else what they own.
    #[must_use]
    pub fn visibility(&self) -> Visibility {
        let owner = match &self.0.user {
            Some(_) if self.0.scopes.grants("admin") => None,
            user => user.clone(),
        };
        Visibility { owner }
    }
}

/// Which rows a read may return. Made only from a [`Principal`], so that ownership is decided in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visibility {
    owner: Option<UserId>,
}

impl Visibility {
    /// The owner whose rows alone may be read; `None` when every row may.
    #[must_use]
    pub fn owner(&self) -> Option<&UserId> {
        self.owner.as_ref()
    }

    /// Whether a row of `owner` may be read.
    #[must_use]
    pub fn allows(&self, owner: Option<&UserId>) -> bool {
        self.owner.is_none() || self.owner.as_ref() == owner
    }
}

/// The scopes that a caller holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Every scope there is.
    #[must_use]
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// These scopes.
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }

    /// Whether `required` is held: literally, by `*`, by a wildcard such as `agents:*`, or, for `admin:*`, by `admin`.
    #[must_use]
    pub fn grants(&self, required: &str) -> bool {
        self.0.iter().any(|held| {
            held == "*"
                || held == required
                || (held == "admin" && required.starts_with("admin:"))
                || held
                    .strip_suffix('*')
                    .is_some_and(|prefix| prefix.ends_with(':') && required.starts_with(prefix))
        })
    }

    /// Whether `agent` may be invoked: by `agents:invoke` or by `agents:invoke:<agent>`.
    #[must_use]
    pub fn grants_invoke(&self, agent: &str) -> bool {
        self.grants("agents:invoke")
            || self.0.iter().any(|held| held.strip_prefix("agents:invoke:") == Some(agent))
    }

    /// Whether calls of `agent` that wait for a person may be decided on: by `approvals:decide`, by
    /// `approvals:decide:<agent>` or by `admin`.
    #[must_use]
    pub fn grants_decide(&self, agent: &str) -> bool {
        self.grants("approvals:decide")
            || self.grants("admin")
            || self.0.iter().any(|held| held.strip_prefix("approvals:decide:") == Some(agent))
    }

    /// Whether calls of some agent may be decided on.
    #[must_use]
    pub fn grants_decide_any(&self) -> bool {
        self.grants_decide("") || self.0.iter().any(|held| held.starts_with("approvals:decide:"))
    }

    /// The scopes as they were given.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_grant_what_they_say_and_no_more() {
        let scopes = Scopes::new(["agents:invoke:helper", "executions:*"]);
        assert!(scopes.grants_invoke("helper"));
        assert!(!scopes.grants_invoke("other"));
        assert!(!scopes.grants("agents:invoke"));
        assert!(scopes.grants("executions:read"));
        assert!(!scopes.grants("agents:read"));
        assert!(Scopes::new(["admin"]).grants("admin:*"));
        assert!(!Scopes::new(["admin:*"]).grants("admin"));
    }

    #[test]
    fn only_admins_see_what_others_own() {
        let id = |name| UserId::new(name).unwrap();
        let reader = Principal::user(id("a"), AuthMethod::ApiKey, Scopes::new(["executions:read"]));
        assert!(reader.visibility().allows(Some(&id("a"))));
        assert!(!reader.visibility().allows(Some(&id("b"))));
        assert!(!reader.visibility().allows(None));
        let admin = Principal::user(id("c"), AuthMethod::ApiKey, Scopes::new(["admin"]));
        assert!(admin.visibility().allows(Some(&id("b"))));
    }
}
