//! What the provider's own world says of it.
use agent_gateway_core::{
    ports::auth::{AuthProvider, Authenticated, Credential},
    principal::AuthMethod,
};

use super::{Samples, both, says, scheme};
use crate::{
    fixture::Fixture,
    suite::{CaseResult, broken, ensure, ensure_eq, skipped},
};

/// A good credential is `Yes`, every time, and its holder has an identity.
pub async fn a_good_credential_is_its_holder(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, world) = fixture.fresh().await?;
    let good = world.good();
    ensure!(!good.is_empty(), "the fixture's world knows no good credential");
    for (credential, holder) in good.iter().chain(&good) {
        let declared = scheme(credential).is_none_or(|scheme| provider.schemes().contains(&scheme));
        ensure!(declared, "the provider takes {:?}, and does not declare it", scheme(credential));
        let answer = provider.authenticate(credential).await;
        let Ok(Authenticated::Yes(principal)) = &answer else {
            return Err(broken(format!(
                "the credential of {holder} is good, the provider said {}",
                says(&answer)
            )));
        };
        ensure_eq!(principal.id().map(ToString::to_string).as_ref(), Some(holder), "the holder's identity");
        let inside = matches!(principal.method(), AuthMethod::None | AuthMethod::System);
        ensure!(!inside, "a caller from outside was identified by {:?}", principal.method());
    }
    Ok(())
}

/// A credential that was good, or never will be, is `No` with its reason.
pub async fn a_bad_credential_is_refused_with_its_reason(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, world) = fixture.fresh().await?;
    let bad = world.bad();
    for (credential, reason) in &bad {
        let answer = provider.authenticate(credential).await;
        let Ok(Authenticated::No(rejection)) = &answer else {
            return Err(broken(format!(
                "a credential should be refused ({reason}), the provider said {}",
                says(&answer)
            )));
        };
        ensure_eq!(rejection, reason, "the reason of a refusal");
    }
    if bad.is_empty() { Err(skipped("the fixture's world knows no bad credential")) } else { Ok(()) }
}

/// What a provider does not understand, it leaves to others.
pub async fn a_scheme_that_is_not_declared_is_not_mine(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, world) = fixture.fresh().await?;
    ensure!(!provider.schemes().is_empty(), "a provider declares at least one scheme");
    let undeclared = |credential: &Credential| {
        scheme(credential).is_some_and(|scheme| !provider.schemes().contains(&scheme))
    };
    let mut tried = 0;
    for (credential, _) in world.good() {
        for other in both(credential.secret().expose()).iter().filter(|other| undeclared(other)) {
            let answer = provider.authenticate(other).await;
            let left = matches!(answer, Ok(Authenticated::NotMine));
            ensure!(left, "{:?} is not declared, the provider said {}", scheme(other), says(&answer));
            tried += 1;
        }
    }
    if tried == 0 { Err(skipped("the provider declares every scheme")) } else { Ok(()) }
}

/// A provider can be printed; what it knows stays inside.
pub async fn secrets_are_never_printed(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, world) = fixture.fresh().await?;
    for (credential, holder) in world.good() {
        let answer = provider.authenticate(&credential).await;
        let printed = format!("{provider:?} {answer:?}");
        ensure!(
            !printed.contains(credential.secret().expose()),
            "the secret of {holder} can be read in the output"
        );
    }
    Ok(())
}
