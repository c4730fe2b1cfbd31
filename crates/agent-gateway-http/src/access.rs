//! Who may call a route. There is no route without it.
use axum::http::Method;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everyone; no credential is read.
    Public,
    /// Every authenticated caller. Where the path is one of `auth.public_paths`, also callers without a credential; one
    /// that is presented is still judged.
    Authenticated,
    /// Callers that hold this scope.
    Scope(&'static str),
    /// Callers that hold `agents:invoke`, or `agents:invoke:<id>` for the agent of the path.
    Invoke,
    /// Callers that hold `approvals:read`, or may decide on calls of some agent.
    ReadApprovals,
    /// Callers that may decide on calls of some agent: by `approvals:decide`, `approvals:decide:<agent>` or `admin`.
    Decide,
}

/// Whether a route is part of the API's description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Listing {
    /// It is.
    Described,
    /// It is not: it serves the description, or parts of its pages.
    Unlisted,
}

/// One line of the table of routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The method.
    pub method: Method,
    /// The path with `{parameters}`.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Whether it is described.
    pub listing: Listing,
}
