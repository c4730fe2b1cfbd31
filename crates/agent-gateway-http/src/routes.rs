//! The routes of a protocol. None can be added without saying who may call it.
use std::{collections::HashSet, fmt, sync::Arc};

use agent_gateway_core::Result;
use agent_gateway_runtime::Gateway;
use axum::{
    Router,
    extract::Request,
    handler::Handler,
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use futures::future::BoxFuture;

use crate::{
    Access, ApiError, Handles, HttpOptions, Listing, Operation, RouteInfo, Tag,
    docs::{self, Document},
    guard::{Gate, Guarded, Rule},
    handles::BodyLimits,
    headers::HeaderSet,
    openapi, probes, slash,
};

/// Everything below this path needs a caller, also where there is no route.
const PROTECTED: &str = "/v1";

/// Routes with their access and their description, before they are bound to a gateway.
#[derive(Default)]
pub struct Routes(Vec<Route>);

struct Route {
    info: RouteInfo,
    operation: Option<Operation>,
    bind: Box<dyn FnOnce(Arc<Rule>) -> MethodRouter<Handles> + Send>,
}

/// One constructor for each method.
macro_rules! methods {
    ($($name:ident => $method:ident),* $(,)?) => {
        impl Routes {
            $(
                #[doc = concat!("Adds a `", stringify!($method), "` route.")]
                #[must_use]
                pub fn $name<H, T>(
                    self, path: &'static str, access: Access, handler: H, operation: Operation,
                ) -> Self
                where
                    H: Handler<T, Handles>,
                    T: 'static,
                {
                    self.add((Method::$method, MethodFilter::$method), path, access, handler, Some(operation))
                }
            )*
        }
    };
}
methods! { get => GET, post => POST, put => PUT, delete => DELETE }

impl Routes {
    /// No routes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These routes and those.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Adds `/healthz` and `/readyz`.
    #[must_use]
    pub fn probes(self) -> Self {
        let alive = Operation::new("alive", Tag::Health, "Is the process alive?")
            .returns::<probes::Alive>(200, "It is");
        let ready = Operation::new("ready", Tag::Health, "Can it do its work now?")
            .returns::<probes::ReadyBody>(200, "Everything answers")
            .returns::<probes::ReadyBody>(503, "Something does not");
        self.get("/healthz", Access::Public, probes::alive, alive).get(
            "/readyz",
            Access::Public,
            probes::ready,
            ready,
        )
    }

    /// Every route so far, for a test that walks them all.
    pub fn table(&self) -> impl Iterator<Item = &RouteInfo> {
        self.0.iter().map(|route| &route.info)
    }

    /// Binds the routes to a gateway, and adds the description and its pages.
    ///
    /// A security header that no header may be is `Misconfigured`.
    pub fn into_router(self, gateway: &Gateway, options: &HttpOptions) -> Result<Router> {
        let described = self.0.iter().filter_map(|route| Some((&route.info, route.operation.as_ref()?)));
        let schemes = gateway.authenticator().schemes();
        let document = Document::new(openapi::document(described, options, &schemes));
        let routes = self.documented_by(document);
        routes.warn_of_idle_public_paths(options);
        let gate = Arc::new(Gate {
            authenticator: gateway.authenticator().clone(),
            public_paths: options.public_paths.iter().cloned().collect::<HashSet<_>>(),
        });
        let api = Arc::new(HeaderSet::api(&options.security)?);
        let pages = Arc::new(HeaderSet::docs(&options.security)?);
        let rule = |access, headers: &Arc<HeaderSet>| {
            Arc::new(Rule { access, gate: gate.clone(), headers: headers.clone() })
        };
        let paths: Vec<_> = routes.table().map(|route| route.path).collect();
        let mut router = Router::new();
        for route in routes.0 {
            let headers = if route.info.listing == Listing::Described { &api } else { &pages };
            router = router.route(route.info.path, (route.bind)(rule(route.info.access, headers)));
        }
        let paths: Arc<[&'static str]> = paths.into();
        let (open, closed) = (rule(Access::Public, &api), rule(Access::Authenticated, &api));
        let router = router
            .method_not_allowed_fallback(refuse(&open, &closed, |_| ApiError::wrong_method().into_response()))
            .fallback(refuse(&open, &closed, move |request| {
                slash::redirect(request, &paths).unwrap_or_else(|| ApiError::no_route().into_response())
            }));
        let limits = BodyLimits { max_bytes: options.max_body_bytes, timeout: options.body_timeout };
        Ok(router.with_state(Handles::new(gateway, limits)))
    }

    fn documented_by(self, document: Document) -> Self {
        self.page("/openapi.json", move |request: Request| {
            let answer = document.answer(request);
            async move { answer }
        })
        .page("/docs", |headers: HeaderMap| async move { docs::page(&headers) })
        .page("/docs/init.js", |headers: HeaderMap| async move { docs::init(&headers) })
        .page("/docs/swagger-ui.css", |headers: HeaderMap| async move { docs::style(&headers) })
        .page("/docs/swagger-ui-bundle.js", |headers: HeaderMap| async move { docs::script(&headers) })
        .page("/redoc", || async { docs::redirect() })
    }

    /// The pages show nothing but the program's own description, so that everyone may read them.
    fn page<H, T>(self, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Handles>,
        T: 'static,
    {
        self.add((Method::GET, MethodFilter::GET), path, Access::Public, handler, None)
    }

    fn add<H, T>(
        mut self,
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        access: Access,
        handler: H,
        operation: Option<Operation>,
    ) -> Self
    where
        H: Handler<T, Handles>,
        T: 'static,
    {
        let listing = if operation.is_some() { Listing::Described } else { Listing::Unlisted };
        self.0.push(Route {
            info: RouteInfo { method, path, access, listing },
            operation,
            bind: Box::new(move |rule| on(filter, Guarded { handler, rule })),
        });
        self
    }

    /// A public path is only about credentials. Where a scope is needed, it changes nothing, which is worth a word.
    fn warn_of_idle_public_paths(&self, options: &HttpOptions) {
        for path in &options.public_paths {
            let mut here = self.table().filter(|route| route.path == path);
            if here.any(|route| {
                matches!(
                    route.access,
                    Access::Scope(_) | Access::Invoke | Access::ReadApprovals | Access::Decide
                )
            }) {
                tracing::warn!(
                    path,
                    "auth.public_paths: this path needs a scope and so still needs a caller"
                );
            }
        }
    }
}

/// Answers what no route answers, below the protected path only to those who are known.
fn refuse<A>(
    open: &Arc<Rule>,
    closed: &Arc<Rule>,
    answer: A,
) -> impl Fn(Request) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static + use<A>
where
    A: Fn(&Request) -> Response + Clone + Send + Sync + 'static,
{
    let (open, closed) = (open.clone(), closed.clone());
    move |request: Request| {
        let rest = request.uri().path().strip_prefix(PROTECTED);
        let is_protected = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let rule = if is_protected { closed.clone() } else { open.clone() };
        let answer = answer.clone();
        Box::pin(async move { rule.around(request, |request| async move { answer(&request) }).await })
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.table()).finish()
    }
}
