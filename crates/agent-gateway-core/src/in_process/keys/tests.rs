use super::*;
use crate::{ErrorKind, clock::FixedClock};

const JWT: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln";

fn bearer(text: &str) -> Credential {
    Credential::Bearer(Secret::new(text))
}

fn header(text: &str) -> Credential {
    Credential::ApiKey(Secret::new(text))
}

async fn rejection(keys: &ApiKeys, credential: Credential) -> Rejection {
    match keys.authenticate(&credential).await.unwrap() {
        Authenticated::No(rejection) => rejection,
        other => panic!("wanted a rejection of {credential:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_its_holder_in_both_headers() {
    let keys =
        ApiKeys::new([ApiKey::new("all", "k-all"), ApiKey::new("few", "k-few").scopes(["agents:read"])])
            .unwrap();
    for credential in [bearer("k-few"), header("k-few")] {
        let Authenticated::Yes(principal) = keys.authenticate(&credential).await.unwrap() else {
            panic!("the key is known");
        };
        assert_eq!(principal.id().unwrap().as_str(), "apikey:few");
        assert_eq!(principal.method(), AuthMethod::ApiKey);
        assert!(principal.scopes().grants("agents:read") && !principal.scopes().grants("agents:invoke"));
    }
    let Authenticated::Yes(principal) = keys.authenticate(&header("k-all")).await.unwrap() else {
        panic!("the key is known");
    };
    assert!(principal.scopes().grants("admin"));
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_a_jwt_left_to_others() {
    let keys = ApiKeys::new([ApiKey::new("a", "k.e.y")]).unwrap();
    assert!(matches!(keys.authenticate(&bearer(JWT)).await.unwrap(), Authenticated::NotMine));
    assert!(matches!(keys.authenticate(&bearer("a.b.")).await.unwrap(), Authenticated::NotMine));
    assert!(matches!(keys.authenticate(&bearer("k.e.y")).await.unwrap(), Authenticated::Yes(_)));
    assert_eq!(rejection(&keys, header(JWT)).await, Rejection::Unknown);
    for text in ["", ".", "..", "a.b", "a.b.c.d", ".b.c", "a b.c.d", "K.E.Y!"] {
        assert_eq!(rejection(&keys, bearer(text)).await, Rejection::Unknown, "{text}");
    }
}

#[tokio::test]
async fn a_key_ends_with_its_time_or_when_it_is_taken_back() {
    let end: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let clock = Arc::new(FixedClock::at(end - jiff::SignedDuration::from_micros(1)));
    let keys = ApiKeys::new([
        ApiKey::new("short", "k-short").expires_at(end),
        ApiKey::new("back", "k-back").expires_at(end).revoked(),
    ])
    .unwrap()
    .with_clock(clock.clone());
    assert!(matches!(keys.authenticate(&bearer("k-short")).await.unwrap(), Authenticated::Yes(_)));
    assert_eq!(rejection(&keys, bearer("k-back")).await, Rejection::Revoked);
    clock.set(end);
    assert_eq!(rejection(&keys, bearer("k-short")).await, Rejection::Expired);
    assert_eq!(rejection(&keys, bearer("k-back")).await, Rejection::Revoked);
}

#[test]
fn bad_configurations_are_named_without_the_key() {
    let cases = [
        vec![ApiKey::new("", "s3cret")],
        vec![ApiKey::new("  ", "s3cret")],
        vec![ApiKey::new("a", "")],
        vec![ApiKey::new("a", " ")],
        vec![ApiKey::new("a", "s3cret\n")],
        vec![ApiKey::new("a\nb", "s3cret")],
        vec![ApiKey::new("a", "s3cret"), ApiKey::new("a", "other")],
        vec![ApiKey::new("a", "s3cret"), ApiKey::new("b", "s3cret")],
    ];
    for keys in cases {
        let shown = format!("{keys:?}");
        let error = ApiKeys::new(keys).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{shown}");
        assert!(!format!("{error:?} {shown}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn without_keys_nobody_is_known() {
    let keys = ApiKeys::new([]).unwrap();
    assert!(keys.is_empty());
    assert_eq!(rejection(&keys, header("anything")).await, Rejection::Unknown);
}
