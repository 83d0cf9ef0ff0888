//! Encrypted attachments (client-server API, "Sending encrypted attachments", `EncryptedFile`
//! version 2): AES-256-CTR, and a SHA-256 of what was uploaded.

use aes::{
    Aes256,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Clients pad or do not pad.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Why what `file` says cannot be used, or is not true. It names no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// It is not of version 2, or lacks something.
    #[error("the attachment's encryption cannot be understood")]
    Unknown,
    /// The file is not the one that was sent.
    #[error("the attachment's hash differs")]
    Differs,
}

#[derive(Deserialize)]
struct File {
    v: String,
    key: Key,
    iv: String,
    hashes: Hashes,
}

#[derive(Deserialize)]
struct Key {
    kty: String,
    alg: String,
    k: String,
}

#[derive(Deserialize)]
struct Hashes {
    sha256: String,
}

/// Decrypts a file piece by piece.
pub struct Decryption {
    cipher: ctr::Ctr128BE<Aes256>,
    hasher: Sha256,
    hash: Vec<u8>,
}

impl Decryption {
    /// By the `file` of the event's content.
    ///
    /// # Errors
    ///
    /// [`DecryptError::Unknown`].
    pub fn new(file: &Value) -> Result<Self, DecryptError> {
        let file = File::deserialize(file).map_err(|_| DecryptError::Unknown)?;
        if file.v != "v2" || file.key.kty != "oct" || file.key.alg != "A256CTR" {
            return Err(DecryptError::Unknown);
        }
        let decoded = |engine: &GeneralPurpose, text: &str| {
            engine.decode(text).map_err(|_| DecryptError::Unknown)
        };
        let key = decoded(&URL_SAFE, &file.key.k)?;
        let iv = decoded(&STANDARD, &file.iv)?;
        Ok(Self {
            cipher: ctr::Ctr128BE::new_from_slices(&key, &iv).map_err(|_| DecryptError::Unknown)?,
            hasher: Sha256::new(),
            hash: decoded(&STANDARD, &file.hashes.sha256)?,
        })
    }

    /// The next piece, in its place.
    pub fn apply(&mut self, piece: &mut [u8]) {
        self.hasher.update(&*piece);
        self.cipher.apply_keystream(piece);
    }

    /// Whether it was what the sender had uploaded, at its end.
    ///
    /// # Errors
    ///
    /// [`DecryptError::Differs`].
    pub fn verify(self) -> Result<(), DecryptError> {
        if self.hasher.finalize()[..] == self.hash[..] {
            Ok(())
        } else {
            Err(DecryptError::Differs)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `AES-256-CTR` of "a picture", by `OpenSSL`.
    fn file() -> Value {
        json!({
            "url": "mxc://a/b", "v": "v2",
            "key": {
                "kty": "oct", "alg": "A256CTR", "ext": true, "key_ops": ["encrypt", "decrypt"],
                "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHv8",
            },
            "iv": "AAECAwQFBgcAAAAAAAAAAA",
            "hashes": {"sha256": "xp7SQXL6ta1QyY7Z8zcp9fm5CqfdWZd+HPnHigB0AsU"},
        })
    }

    fn ciphertext() -> Vec<u8> {
        STANDARD.decode("LWAFgCxErc8h").unwrap()
    }

    #[test]
    fn it_is_what_was_sent_whatever_the_pieces() {
        for size in [1, 4, 9] {
            let mut decryption = Decryption::new(&file()).unwrap();
            let mut content = ciphertext();
            content
                .chunks_mut(size)
                .for_each(|piece| decryption.apply(piece));
            assert_eq!(content, b"a picture");
            assert_eq!(decryption.verify(), Ok(()));
        }
    }

    #[test]
    fn what_was_changed_on_the_way_is_noticed() {
        let mut changed = ciphertext();
        changed[3] ^= 1;
        for mut content in [changed, ciphertext()[..8].to_vec(), Vec::new()] {
            let mut decryption = Decryption::new(&file()).unwrap();
            decryption.apply(&mut content);
            assert_eq!(decryption.verify(), Err(DecryptError::Differs));
        }
    }

    #[test]
    fn padding_is_as_good_as_none() {
        let mut padded = file();
        for pointer in ["/key/k", "/hashes/sha256"] {
            let text = padded.pointer(pointer).unwrap().as_str().unwrap();
            *padded.pointer_mut(pointer).unwrap() = json!(format!("{text}="));
        }
        assert!(Decryption::new(&padded).is_ok());
    }

    #[test]
    fn what_cannot_be_understood_is_not_guessed() {
        for (pointer, nonsense) in [
            ("/v", json!("v1")),
            ("/v", json!(2)),
            ("/key", json!(null)),
            ("/key/alg", json!("A256GCM")),
            ("/key/kty", json!("RSA")),
            ("/key/k", json!("AAEC")),
            ("/key/k", json!("not base64!")),
            ("/iv", json!("AAEC")),
            ("/hashes", json!({})),
        ] {
            let mut file = file();
            *file.pointer_mut(pointer).unwrap() = nonsense;
            let refused = Decryption::new(&file).err();
            assert_eq!(refused, Some(DecryptError::Unknown), "{pointer}");
        }
    }
}
