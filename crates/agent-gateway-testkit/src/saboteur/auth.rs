use std::sync::Arc;

use agent_gateway_core::{
    Result,
    id::UserId,
    ports::auth::{AuthProvider, AuthScheme, Authenticated, Credential},
    principal::{AuthMethod, Principal, Scopes},
};
use async_trait::async_trait;

/// Lets in whoever presents an empty text.
/// Found by [`an_empty_credential_is_never_yes`](crate::auth::refusal::an_empty_credential_is_never_yes).
#[derive(Debug)]
pub struct AdmitsEmpty(pub Arc<dyn AuthProvider>);

#[async_trait]
impl AuthProvider for AdmitsEmpty {
    fn schemes(&self) -> &[AuthScheme] {
        self.0.schemes()
    }
    async fn authenticate(&self, credential: &Credential) -> Result<Authenticated> {
        if credential.secret().is_empty() {
            let nobody = Principal::user(UserId::new("nobody")?, AuthMethod::Custom, Scopes::all());
            return Ok(Authenticated::Yes(nobody));
        }
        self.0.authenticate(credential).await
    }
}
