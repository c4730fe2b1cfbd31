//! Paths with one slash too many at their end lead to the route without it.
use axum::{
    body::Body,
    extract::{OriginalUri, Request},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

/// A redirection that keeps method and body, when `routes` has the path without its last slash.
pub(crate) fn redirect(request: &Request, routes: &[&'static str]) -> Option<Response> {
    let wanted = request.uri().path().strip_suffix('/')?;
    routes.iter().find(|route| matches(route, wanted))?;
    let whole = request.extensions().get::<OriginalUri>().map_or(request.uri(), |OriginalUri(uri)| uri);
    let path = whole.path().strip_suffix('/')?;
    let location = match whole.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&location).ok()?);
    Some(response)
}

/// Whether a path with `{parameters}` fits a path.
fn matches(route: &str, path: &str) -> bool {
    let (mut expected, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (expected.next(), given.next()) {
            (None, None) => return true,
            (Some(name), Some(part)) if name.starts_with('{') && !part.is_empty() => {}
            (Some(name), Some(part)) if name == part => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_stand_for_one_part() {
        assert!(matches("/v1/agents/{agent_id}/invoke", "/v1/agents/a/invoke"));
        for other in ["/v1/agents//invoke", "/v1/agents/a/b/invoke", "/v1/agents/a", "//v1/agents/a/invoke"] {
            assert!(!matches("/v1/agents/{agent_id}/invoke", other), "{other}");
        }
    }
}
