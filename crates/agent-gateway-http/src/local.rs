//! A server without authentication is for the people of this machine, and not for the pages that their browsers open.
use std::net::IpAddr;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};

use crate::ApiError;

/// Answers 403 to requests that name another host than this machine, or come from a page of another one. Without
/// authentication, such a page could otherwise run agents by way of a name that points here.
pub fn local_only(router: Router) -> Router {
    router.layer(from_fn(check))
}

async fn check(request: Request, next: Next) -> Response {
    match refusal(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(sentence) => ApiError::new(StatusCode::FORBIDDEN, "forbidden", sentence).into_response(),
    }
}

fn refusal(uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    // A client that names no host is no browser.
    let host = uri.authority().map(|authority| authority.as_str()).or_else(|| text(header::HOST));
    if host.is_some_and(|host| !is_local(host)) {
        return Some(
            "Without authentication this server answers only to localhost; the Host header names another host",
        );
    }
    let origin = text(header::ORIGIN)?;
    let page = origin.split_once("://").map_or("", |(_, host)| host);
    (!is_local(page)).then_some("Without authentication this server does not answer to pages of other hosts")
}

/// Whether `host`, with or without a port, is this machine by a name that nobody else can point elsewhere.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(literal) => literal.split_once(']').map_or("", |(address, _)| address),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.1.2.3:80", "[::1]:8000", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "[fe80::1]",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
