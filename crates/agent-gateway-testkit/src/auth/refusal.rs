//! Whom the provider must not let in.
use agent_gateway_core::ports::auth::AuthProvider;

use super::{Samples, never_yes};
use crate::{fixture::Fixture, suite::CaseResult};

/// No text is no credential.
pub async fn an_empty_credential_is_never_yes(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, _world) = fixture.fresh().await?;
    for text in ["", " ", "\t", "\n", "\0"] {
        never_yes(&*provider, text, &format!("the empty credential {text:?}")).await?;
    }
    Ok(())
}

/// Almost right is wrong: cut, extended, in other letter case, with one character changed.
pub async fn a_changed_credential_is_never_yes(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, world) = fixture.fresh().await?;
    for (credential, _) in world.good() {
        let text = credential.secret().expose();
        let all: Vec<char> = text.chars().collect();
        let (Some(first), Some(last)) = (all.first(), all.last()) else { continue };
        let inner: String = all.iter().skip(1).collect();
        let start: String = all.iter().take(all.len() - 1).collect();
        let mut changed = vec![
            ("a credential without its first character", inner.clone()),
            ("a credential without its last character", start.clone()),
            ("a credential with one more character", format!("{text}x")),
            ("a credential twice", format!("{text}{text}")),
            ("a credential with a zero byte", format!("{text}\0")),
            ("a credential with another first character", format!("{}{inner}", other(*first))),
            ("a credential in other letter case", swapped(text)),
        ];
        if text.contains('.') {
            // Of a signed token the first character of the signature counts; the last one may hold unused bits.
            let (signed, signature) = text.rsplit_once('.').unwrap_or((text, ""));
            changed.push(("a token without its signature", format!("{signed}.")));
            let rest: String = signature.chars().skip(1).collect();
            let head = signature.chars().next().unwrap_or('A');
            changed.push(("a token with another signature", format!("{signed}.{}{rest}", other(head))));
        } else {
            changed.push(("a credential with another last character", format!("{start}{}", other(*last))));
        }
        for (what, text) in changed.iter().filter(|(_, changed)| changed != text) {
            never_yes(&*provider, text, what).await?;
        }
    }
    Ok(())
}

fn other(character: char) -> char {
    if character == 'A' { 'B' } else { 'A' }
}

fn swapped(text: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    text.chars().map(swap).collect()
}

/// Whatever a caller sends is judged, not an error.
pub async fn odd_credentials_are_never_yes(
    fixture: &impl Fixture<dyn AuthProvider, Guard: Samples>,
) -> CaseResult {
    let (provider, _world) = fixture.fresh().await?;
    let long = "a".repeat(1024 * 1024);
    let odd = [
        "nobody-has-this",
        "null",
        "undefined",
        "*",
        "%",
        "' OR '1'='1",
        "Bearer x",
        "a.b.c",
        "..",
        "....",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "ключ",
        "🔑",
        "{}",
        &long,
    ];
    for text in odd {
        let shown: String = text.chars().take(40).collect();
        never_yes(&*provider, text, &format!("the credential {shown:?}")).await?;
    }
    Ok(())
}
