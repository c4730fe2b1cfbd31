//! The one thing around every handler: who calls, may they, how long it took, which headers go out.
use std::{collections::HashSet, panic::AssertUnwindSafe, sync::Arc};

use agent_gateway_core::{ports::auth::Credential, principal::Principal};
use agent_gateway_runtime::Authenticator;
use axum::{
    extract::{FromRequestParts, Request},
    handler::Handler,
    http::{HeaderValue, header::CACHE_CONTROL, request::Parts},
    response::{IntoResponse, Response},
};
use futures::{FutureExt, future::BoxFuture};
use tokio::time::Instant;

use crate::{Access, ApiError, Handles, credential::credential, headers::HeaderSet, path::last_parameter};

/// The authenticated caller of a request.
#[derive(Clone, Debug)]
pub struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::auth_required)
    }
}

/// What all routes of a router share.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) authenticator: Authenticator,
    pub(crate) public_paths: HashSet<String>,
}

/// What is done around one route.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) access: Access,
    pub(crate) gate: Arc<Gate>,
    pub(crate) headers: Arc<HeaderSet>,
}

impl Rule {
    /// Answers a request: admits the caller, runs the handler, finishes the answer. A handler that panics is a 500.
    pub(crate) async fn around<N, F>(&self, request: Request, next: N) -> Response
    where
        N: FnOnce(Request) -> F,
        F: Future<Output = Response>,
    {
        let started = Instant::now();
        let work = async {
            match self.admit(request).await {
                Ok(request) => next(request).await,
                Err(refused) => refused.into_response(),
            }
        };
        let mut response = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(response) => response,
            Err(_) => ApiError::incident("a handler panicked").into_response(),
        };
        let headers = response.headers_mut();
        self.headers.apply(headers);
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        headers.insert("x-request-duration-ms", HeaderValue::from(elapsed));
        response
    }

    async fn admit(&self, request: Request) -> Result<Request, ApiError> {
        if self.access == Access::Public {
            return Ok(request);
        }
        let credential = credential(request.headers());
        match self.gate.authenticator.authenticate(credential.as_ref()).await {
            Ok(caller) => {
                let mut request = self.check(&caller, request).await?;
                request.extensions_mut().insert(Caller(caller));
                Ok(request)
            }
            Err(_) if self.serves_strangers(credential.as_ref(), &request) => Ok(request),
            Err(failure) => Err(failure.into()),
        }
    }

    /// A public path serves callers without a credential. It takes no scope away: a route that needs one needs a caller.
    fn serves_strangers(&self, credential: Option<&Credential>, request: &Request) -> bool {
        credential.is_none()
            && self.access == Access::Authenticated
            && self.gate.public_paths.contains(request.uri().path())
    }

    /// Whether the caller may use this route; gives the request back.
    async fn check(&self, caller: &Principal, request: Request) -> Result<Request, ApiError> {
        let scopes = caller.scopes();
        match self.access {
            Access::Public | Access::Authenticated => Ok(request),
            Access::Scope(scope) if scopes.grants(scope) => Ok(request),
            Access::Scope(scope) => Err(ApiError::scope_missing(scope)),
            Access::ReadApprovals if scopes.grants("approvals:read") || scopes.grants_decide_any() => {
                Ok(request)
            }
            Access::ReadApprovals => Err(ApiError::scope_missing("approvals:read")),
            Access::Decide if scopes.grants_decide_any() => Ok(request),
            Access::Decide => Err(ApiError::scope_missing("approvals:decide")),
            Access::Invoke if scopes.grants("agents:invoke") => Ok(request),
            Access::Invoke => {
                let (mut parts, body) = request.into_parts();
                match last_parameter(&mut parts).await {
                    Some((_, agent)) if scopes.grants_invoke(&agent) => Ok(Request::from_parts(parts, body)),
                    _ => Err(ApiError::scope_missing("agents:invoke")),
                }
            }
        }
    }
}

/// A handler behind its rule.
#[derive(Clone)]
pub(crate) struct Guarded<H> {
    pub(crate) handler: H,
    pub(crate) rule: Arc<Rule>,
}

impl<H, T> Handler<T, Handles> for Guarded<H>
where
    H: Handler<T, Handles>,
    T: 'static,
{
    type Future = BoxFuture<'static, Response>;

    fn call(self, request: Request, state: Handles) -> Self::Future {
        Box::pin(async move {
            let Self { handler, rule } = self;
            rule.around(request, |request| handler.call(request, state)).await
        })
    }
}
