//! Reads what a caller presents.
use agent_gateway_core::{ports::auth::Credential, secret::Secret};
use axum::http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

/// The credential of a request: `Authorization: Bearer`, or else `X-API-Key`. The scheme's case does not matter.
pub(crate) fn credential(headers: &HeaderMap) -> Option<Credential> {
    if let Some(token) = headers.get(AUTHORIZATION).and_then(bearer) {
        return Some(Credential::Bearer(token));
    }
    headers.get("x-api-key").and_then(text).map(|key| Credential::ApiKey(Secret::new(key.trim())))
}

fn bearer(value: &HeaderValue) -> Option<Secret> {
    let (scheme, token) = text(value)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

fn text(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Option<Credential> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        credential(&headers)
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer k1", "bearer k1", "BEARER   k1 "] {
            let Some(Credential::Bearer(token)) = read("authorization", value) else { panic!("{value}") };
            assert_eq!(token.expose(), "k1");
        }
        assert!(matches!(read("x-api-key", "k1"), Some(Credential::ApiKey(key)) if key.expose() == "k1"));
    }

    #[test]
    fn other_schemes_are_no_credential() {
        for value in ["Basic azE6", "Bearerk1", "k1", "Bearer"] {
            assert!(read("authorization", value).is_none(), "{value}");
        }
    }
}
