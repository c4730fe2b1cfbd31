//! Who asks: the chain of providers.
use std::sync::Arc;

use agent_gateway_core::{
    Error,
    ports::auth::{AuthProvider, AuthScheme, Authenticated, Credential, Rejection},
    principal::Principal,
};

/// Tells who a caller is. Either it is open, because the operator said so, or it has at least one provider.
#[derive(Clone, Debug)]
pub struct Authenticator(Policy);

#[derive(Clone, Debug)]
enum Policy {
    Open,
    Closed(Arc<[Arc<dyn AuthProvider>]>),
}

/// Why a caller is refused.
#[derive(Debug)]
pub enum AuthFailure {
    /// Nothing was presented.
    Missing,
    /// What was presented is not good.
    Rejected(Rejection),
    /// No provider could judge it.
    Unavailable(Error),
}

impl Authenticator {
    /// Lets everyone in as the anonymous principal: the operator switched authentication off.
    #[must_use]
    pub fn open() -> Self {
        Self(Policy::Open)
    }

    /// Asks these providers in order. None at all is `Misconfigured`: it would let nobody in, or everybody.
    pub fn closed(providers: Vec<Arc<dyn AuthProvider>>) -> Result<Self, Error> {
        if providers.is_empty() {
            return Err(Error::misconfigured(
                "authentication is on and nobody could pass it: there is no key and no provider",
            ));
        }
        Ok(Self(Policy::Closed(providers.into())))
    }

    /// Whether everyone is let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.0, Policy::Open)
    }

    /// How callers may present themselves.
    #[must_use]
    pub fn schemes(&self) -> Vec<AuthScheme> {
        let mut schemes: Vec<AuthScheme> = Vec::new();
        if let Policy::Closed(providers) = &self.0 {
            for scheme in providers.iter().flat_map(|provider| provider.schemes()) {
                if !schemes.contains(scheme) {
                    schemes.push(*scheme);
                }
            }
        }
        schemes
    }

    /// The caller behind a credential. The first provider that says yes or no decides; when all pass, it is no.
    pub async fn authenticate(&self, credential: Option<&Credential>) -> Result<Principal, AuthFailure> {
        let providers = match &self.0 {
            Policy::Open => return Ok(Principal::anonymous()),
            Policy::Closed(providers) => providers,
        };
        let credential = credential.filter(|given| !given.secret().is_empty()).ok_or(AuthFailure::Missing)?;
        for provider in providers.iter() {
            match provider.authenticate(credential).await {
                Ok(Authenticated::Yes(principal)) => return Ok(principal),
                Ok(Authenticated::No(rejection)) => return Err(AuthFailure::Rejected(rejection)),
                Ok(Authenticated::NotMine) => {}
                Err(error) => return Err(AuthFailure::Unavailable(error)),
            }
        }
        Err(AuthFailure::Rejected(Rejection::Unknown))
    }
}
