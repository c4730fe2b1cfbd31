//! The gateway's own tokens: `agw1.<key id>.<nonce, sealed text and tag as base64>`.
use agent_gateway_core::secret::Secret;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::Sha256;

use super::{Place, SealError};

const VERSION: &str = "agw1";
/// Fixed, because all processes of a gateway must derive the same key; the text of the key is what nobody knows.
const SALT: &[u8] = b"agent-gateway/secrets";
const KEY: &[u8] = b"agw1/key";
const ID: &[u8] = b"agw1/id";
/// Of a nonce, in bytes. Drawn at random: two of this length do not meet.
const NONCE: usize = 24;

/// A key for sealing, with the id by which tokens name it.
pub(super) struct SealingKey {
    id: String,
    cipher: XChaCha20Poly1305,
}

/// The id in a token of this form.
pub(super) fn id_of(token: &str) -> Option<&str> {
    token.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.').map(|(id, _)| id)
}

impl SealingKey {
    pub(super) fn derive(text: &str) -> Self {
        let derived = Hkdf::<Sha256>::new(Some(SALT), text.as_bytes());
        let (mut key, mut id) = (Key::default(), [0; 8]);
        // Only a length of more than 255 hashes could fail.
        let _ = derived.expand(KEY, &mut key).and_then(|()| derived.expand(ID, &mut id));
        Self { id: URL_SAFE_NO_PAD.encode(id), cipher: XChaCha20Poly1305::new(&key) }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn seal(&self, text: &Secret, place: Place<'_>) -> Result<String, SealError> {
        let mut nonce = XNonce::default();
        rand::fill(&mut nonce[..]);
        let payload = Payload { msg: text.expose().as_bytes(), aad: &self.aad(place) };
        let sealed = self.cipher.encrypt(&nonce, payload).map_err(|_| SealError::Damaged)?;
        let body = URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat());
        Ok(format!("{VERSION}.{}.{body}", self.id))
    }

    pub(super) fn open(&self, token: &str, place: Place<'_>) -> Result<Secret, SealError> {
        let body = token.rsplit('.').next().unwrap_or_default();
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| SealError::Damaged)?;
        let (nonce, sealed) = body.split_first_chunk::<NONCE>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: sealed, aad: &self.aad(place) };
        let text = self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| SealError::Damaged)?;
        String::from_utf8(text).map(Secret::new).map_err(|_| SealError::Damaged)
    }

    /// The place, each part with its length, so that no two places read the same.
    fn aad(&self, place: Place<'_>) -> Vec<u8> {
        let Place::Setting { user, agent, field } = place;
        let mut aad = Vec::new();
        for part in [VERSION, &self.id, "setting", user.as_str(), agent.as_str(), field] {
            aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
            aad.extend_from_slice(part.as_bytes());
        }
        aad
    }
}
