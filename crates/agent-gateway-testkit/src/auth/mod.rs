//! What every [`AuthProvider`] keeps: it knows whom it knows, and nobody else.
//!
//! A provider's world must say which credentials are good in it: its guard implements [`Samples`].
use agent_gateway_core::{
    Result,
    ports::auth::{AuthProvider, AuthScheme, Authenticated, Credential, Rejection},
    secret::Secret,
};

use crate::{
    fixture::Fixture,
    suite::{Finding, broken, suite},
};

pub mod refusal;
pub mod samples;

suite!($ auth, auth_suite, [Fixture<dyn AuthProvider, Guard: Samples>], {
    samples: [
        a_good_credential_is_its_holder,
        a_bad_credential_is_refused_with_its_reason,
        a_scheme_that_is_not_declared_is_not_mine,
        secrets_are_never_printed,
    ],
    refusal: [
        an_empty_credential_is_never_yes,
        a_changed_credential_is_never_yes,
        odd_credentials_are_never_yes,
    ],
});

/// What a provider's world knows, for the cases to present.
pub trait Samples {
    /// Credentials that are good, each with the identity of its holder; at least one.
    fn good(&self) -> Vec<(Credential, String)>;

    /// Credentials that the provider claims as its own and refuses, each with the reason, such as an expired one.
    fn bad(&self) -> Vec<(Credential, Rejection)>;
}

/// What the provider said, without a word about the secret.
fn says(answer: &Result<Authenticated>) -> String {
    match answer {
        Ok(Authenticated::Yes(principal)) => format!("yes, it is {:?}", principal.id()),
        Ok(Authenticated::NotMine) => "not mine".to_owned(),
        Ok(Authenticated::No(rejection)) => format!("no: {rejection}"),
        Err(error) => format!("error: {error:?}"),
    }
}

/// The same secret presented in each way.
fn both(text: &str) -> [Credential; 2] {
    [Credential::Bearer(Secret::new(text)), Credential::ApiKey(Secret::new(text))]
}

/// The way in which a credential is presented; `None` for ways that this suite does not know.
fn scheme(credential: &Credential) -> Option<AuthScheme> {
    match credential {
        Credential::Bearer(_) => Some(AuthScheme::Bearer),
        Credential::ApiKey(_) => Some(AuthScheme::ApiKey),
        _ => None,
    }
}

/// Finds a broken contract when the provider lets `text` in, or cannot judge it.
async fn never_yes(provider: &dyn AuthProvider, text: &str, what: &str) -> std::result::Result<(), Finding> {
    for credential in both(text) {
        let answer = provider.authenticate(&credential).await;
        if !matches!(answer, Ok(Authenticated::No(_) | Authenticated::NotMine)) {
            return Err(broken(format!("{what} should be refused, the provider said {}", says(&answer))));
        }
    }
    Ok(())
}
