//! Tokens of the Python package are Fernet. They are read, never written.
use aes::Aes128;
use agent_gateway_core::secret::Secret;
use base64::{Engine, engine::general_purpose::URL_SAFE};
use cbc::{
    Decryptor,
    cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const VERSION: u8 = 0x80;
/// Version, time and initialisation vector.
const HEAD: usize = 1 + 8 + 16;
const TAG: usize = 32;

/// Signs with its first half and encrypts with its second.
pub(super) struct FernetKey {
    signing: [u8; 16],
    encryption: [u8; 16],
}

/// Whether it looks like such a token.
pub(super) fn is_one(token: &str) -> bool {
    read(token).is_some()
}

fn read(token: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE.decode(token).ok()?;
    (bytes.len() > HEAD + TAG && bytes.first() == Some(&VERSION)).then_some(bytes)
}

impl FernetKey {
    /// A text that is a Fernet key is that key; of any other the hash is one.
    pub(super) fn derive(text: &str) -> Self {
        let given = URL_SAFE.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let bytes = given.unwrap_or_else(|| Sha256::digest(text.as_bytes()).into());
        let (mut signing, mut encryption) = ([0; 16], [0; 16]);
        signing.copy_from_slice(&bytes[..16]);
        encryption.copy_from_slice(&bytes[16..]);
        Self { signing, encryption }
    }

    /// `None`: this key did not seal it. How old it is does not count.
    pub(super) fn open(&self, token: &str) -> Option<Secret> {
        let bytes = read(token)?;
        let (signed, tag) = bytes.split_at(bytes.len() - TAG);
        let mac = Hmac::<Sha256>::new_from_slice(&self.signing).ok()?;
        mac.chain_update(signed).verify_slice(tag).ok()?;
        let (head, sealed) = signed.split_at(HEAD);
        let decryptor = Decryptor::<Aes128>::new_from_slices(&self.encryption, &head[HEAD - 16..]).ok()?;
        let mut text = sealed.to_vec();
        let length = decryptor.decrypt_padded::<Pkcs7>(&mut text).ok()?.len();
        text.truncate(length);
        String::from_utf8(text).ok().map(Secret::new)
    }
}
