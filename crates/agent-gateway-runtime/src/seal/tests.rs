use agent_gateway_core::vars::MapVars;
use proptest::prelude::*;

use super::*;

fn keyring(current: &str, old: &str) -> Keyring {
    Keyring::read(&MapVars::from_iter([(SECRET_KEY, current), (SECRET_KEY_OLD, old)]))
}

fn text(opened: Opened) -> String {
    match opened {
        Opened::Own(secret) | Opened::Fernet(secret) => secret.expose().to_owned(),
    }
}

fn with<T>(user: &str, agent: &str, field: &str, then: impl FnOnce(Place<'_>) -> T) -> T {
    let (user, agent) = (UserId::new(user).unwrap(), AgentId::new(agent).unwrap());
    then(Place::Setting { user: &user, agent: &agent, field })
}

proptest! {
    #[test]
    fn what_is_sealed_opens_at_its_place_alone(secret in ".{0,200}", key in "[a-zA-Z0-9/+]{1,80}") {
        let ring = keyring(&key, "");
        let token = with("ann", "briefing", "api_key", |place| ring.seal(&secret.as_str().into(), place)).unwrap();
        prop_assert!(secret.len() < 4 || !token.contains(&secret));
        let opened = with("ann", "briefing", "api_key", |place| ring.open(&token, place)).unwrap();
        prop_assert_eq!(text(opened), secret);
        for (user, agent, field) in
            [("bob", "briefing", "api_key"), ("ann", "other", "api_key"), ("ann", "briefing", "api_key2")]
        {
            let moved = with(user, agent, field, |place| ring.open(&token, place));
            prop_assert_eq!(moved.unwrap_err(), SealError::Damaged);
        }
    }

    #[test]
    fn a_changed_token_does_not_open(at in 0..1000usize, with_bit in 0..7u8) {
        let ring = keyring("key", "");
        let token = with("ann", "a", "f", |place| ring.seal(&"sk-live-123".into(), place)).unwrap();
        let mut bytes = token.clone().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << with_bit;
        if let Ok(changed) = String::from_utf8(bytes) {
            let opened = with("ann", "a", "f", |place| ring.open(&changed, place));
            prop_assert!(opened.is_err(), "{}", changed);
        }
    }

    #[test]
    fn garbage_does_not_open(token in ".{0,100}") {
        let opened = with("ann", "a", "f", |place| keyring("key", "").open(&token, place));
        prop_assert!(opened.is_err());
    }
}

#[test]
fn the_same_text_is_sealed_differently_each_time() {
    let ring = keyring("key", "");
    let seal = || with("ann", "a", "f", |place| ring.seal(&"same".into(), place)).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn another_key_opens_nothing_and_a_listed_one_does() {
    let sealed = with("ann", "a", "f", |place| keyring("first", "").seal(&"s3cr3t".into(), place)).unwrap();
    let open = |ring: &Keyring, token: &str| with("ann", "a", "f", |place| ring.open(token, place).map(text));
    assert_eq!(open(&keyring("second", ""), &sealed), Err(SealError::OtherKey));
    assert_eq!(open(&keyring("", ""), &sealed), Err(SealError::NoKey));
    let rotated = keyring("second", "zero, first ,");
    assert_eq!(open(&rotated, &sealed).as_deref(), Ok("s3cr3t"));
    let anew = with("ann", "a", "f", |place| rotated.seal(&"s3cr3t".into(), place)).unwrap();
    assert_eq!(open(&keyring("second", ""), &anew).as_deref(), Ok("s3cr3t"));
    assert_eq!(open(&keyring("first", ""), &anew), Err(SealError::OtherKey));
    // Old keys open, and seal nothing.
    let old_alone = keyring("", "first");
    assert_eq!(open(&old_alone, &sealed).as_deref(), Ok("s3cr3t"));
    assert!(!old_alone.can_seal());
    let refused = with("ann", "a", "f", |place| old_alone.seal(&"x".into(), place));
    assert_eq!(refused, Err(SealError::NoKey));
}

/// The vector of the Fernet specification.
const SPEC_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
const SPEC_TOKEN: &str =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
/// Sealed by Python's `cryptography` with the SHA-256 of this text.
const PHRASE: &str = "correct horse battery staple";
const PHRASE_TOKEN: &str =
    "gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD_Ab88n23HCFtPGGnwZVfETRHbKxxzeKoJjfgUFKg02RSyd5eYvi18dRT28FeCVJGQ==";

#[test]
fn tokens_of_the_python_package_open_with_its_key() {
    let open = |ring: &Keyring, token: &str| with("ann", "a", "f", |place| ring.open(token, place).map(text));
    assert_eq!(open(&keyring(SPEC_KEY, ""), SPEC_TOKEN).as_deref(), Ok("hello"));
    assert_eq!(open(&keyring(PHRASE, ""), PHRASE_TOKEN).as_deref(), Ok("sk-live-ä-1"));
    assert_eq!(open(&keyring("new", PHRASE), PHRASE_TOKEN).as_deref(), Ok("sk-live-ä-1"));
    assert_eq!(open(&keyring(PHRASE, ""), SPEC_TOKEN), Err(SealError::OtherKey));
    assert_eq!(open(&keyring(PHRASE, ""), &PHRASE_TOKEN.replace("gAAAA", "gAABA")), Err(SealError::OtherKey));
}

#[test]
fn a_keyring_shows_no_key() {
    let shown = format!("{:?}", keyring("current-key", "old-key"));
    assert!(!shown.contains("current-key") && !shown.contains("old-key"), "{shown}");
    assert!(shown.contains('2'), "{shown}");
}
