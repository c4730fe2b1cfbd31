use std::sync::Arc;

use agent_gateway_core::{
    Result,
    in_process::{ApiKey, ApiKeys},
    ports::auth::{AuthProvider, Credential, Rejection},
    secret::Secret,
};
use agent_gateway_testkit::{
    Fixture,
    auth::{self, Samples},
    saboteur::AdmitsEmpty,
};
use async_trait::async_trait;

struct Open;
struct Known;

impl Samples for Known {
    fn good(&self) -> Vec<(Credential, String)> {
        vec![(Credential::Bearer(Secret::new("k-one")), "apikey:one".to_owned())]
    }
    fn bad(&self) -> Vec<(Credential, Rejection)> {
        Vec::new()
    }
}

#[async_trait]
impl Fixture<dyn AuthProvider> for Open {
    type Guard = Known;
    async fn fresh(&self) -> Result<(Arc<dyn AuthProvider>, Known)> {
        let keys = ApiKeys::new([ApiKey::new("one", "k-one")])?;
        Ok((Arc::new(AdmitsEmpty(Arc::new(keys))), Known))
    }
    async fn reopen(&self, _guard: &Known) -> Result<Option<Arc<dyn AuthProvider>>> {
        Ok(None)
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_admits_an_empty_token_is_found() {
    let report = auth::conforms(&Open).await;
    assert_eq!(report.failed(), ["an_empty_credential_is_never_yes"], "{report}");
    let skipped: Vec<_> = report.skipped().iter().map(|(case, _)| *case).collect();
    let inapplicable =
        ["a_bad_credential_is_refused_with_its_reason", "a_scheme_that_is_not_declared_is_not_mine"];
    assert_eq!(skipped, inapplicable);
    assert_eq!(report.passed().len() + 3, auth::CASES.len());
}
