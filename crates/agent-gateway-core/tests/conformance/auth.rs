use std::sync::Arc;

use agent_gateway_core::{
    Result, Timestamp,
    in_process::{ApiKey, ApiKeys},
    ports::auth::{AuthProvider, Credential, Rejection},
    secret::Secret,
};
use agent_gateway_testkit::{Fixture, auth::Samples};
use async_trait::async_trait;

struct Fresh;
struct Known;

impl Samples for Known {
    fn good(&self) -> Vec<(Credential, String)> {
        ["one", "two"]
            .into_iter()
            .flat_map(|name| {
                let key = || Secret::new(format!("key-of-{name}"));
                [Credential::Bearer(key()), Credential::ApiKey(key())]
                    .map(|way| (way, format!("apikey:{name}")))
            })
            .collect()
    }

    fn bad(&self) -> Vec<(Credential, Rejection)> {
        vec![
            (Credential::Bearer(Secret::new("key-of-yesterday")), Rejection::Expired),
            (Credential::ApiKey(Secret::new("key-taken-back")), Rejection::Revoked),
            (Credential::ApiKey(Secret::new("key-of-nobody")), Rejection::Unknown),
        ]
    }
}

#[async_trait]
impl Fixture<dyn AuthProvider> for Fresh {
    type Guard = Known;
    async fn fresh(&self) -> Result<(Arc<dyn AuthProvider>, Known)> {
        let keys = ApiKeys::new([
            ApiKey::new("one", "key-of-one"),
            ApiKey::new("two", "key-of-two").scopes(["agents:read"]).expires_at(Timestamp::MAX),
            ApiKey::new("yesterday", "key-of-yesterday").expires_at(Timestamp::UNIX_EPOCH),
            ApiKey::new("back", "key-taken-back").revoked(),
        ])?;
        Ok((Arc::new(keys), Known))
    }
    async fn reopen(&self, _guard: &Known) -> Result<Option<Arc<dyn AuthProvider>>> {
        Ok(None)
    }
}

agent_gateway_testkit::auth_suite!(Fresh);
