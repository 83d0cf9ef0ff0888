//! RSA keys: what may verify and what may sign a token. RS256 only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{sign, verify},
    jwk::{AlgorithmParameters, Jwk, ThumbprintHash},
};
use secrecy::ExposeSecret;

use crate::config::pem::{self, PemError};

/// The moduli that RS256 verification takes (RFC 7518 section 3.3 for the lower bound).
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a key can't be used. Says nothing of the key itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is no PEM.
    #[error("not a PEM: {0}")]
    Pem(#[from] PemError),
    /// A PEM of something else: the other half of the pair, a certificate, another algorithm.
    #[error("not an RSA {0} key")]
    Kind(&'static str),
    /// Too small, or too large to verify with.
    #[error("an RSA key of {0} bits; 2048 to 8192 are accepted")]
    Size(usize),
}

/// A key that verifies.
pub(super) struct PublicKey(DecodingKey);

impl PublicKey {
    /// From a PEM, SPKI or PKCS#1, or from an SPKI's bare base64.
    pub(super) fn from_pem(text: &str) -> Result<Self, KeyError> {
        const NOT_PUBLIC: KeyError = KeyError::Kind("public");
        let pem = pem::normalize(text, "PUBLIC KEY")?;
        // jsonwebtoken would take a private key's bytes for a public one's.
        if !matches!(pem.label.as_str(), "PUBLIC KEY" | "RSA PUBLIC KEY") {
            return Err(NOT_PUBLIC);
        }
        DecodingKey::from_rsa_pem(pem.text.expose_secret().as_bytes())
            .and_then(|key| Jwk::from_decoding_key(&key, Some(Algorithm::RS256)))
            .map_err(|_| NOT_PUBLIC)
            .and_then(|jwk| Self::from_jwk(&jwk))
    }

    /// From a JWK's modulus and exponent, base64url without padding (RFC 7518 section 6.3.1).
    pub(super) fn from_components(n: &str, e: &str) -> Result<Self, KeyError> {
        const NOT_PUBLIC: KeyError = KeyError::Kind("public");
        let modulus = URL_SAFE_NO_PAD.decode(n).map_err(|_| NOT_PUBLIC)?;
        let leading = modulus.iter().take_while(|byte| **byte == 0).count();
        let bits = modulus.get(leading).map_or(0, |first| {
            (modulus.len() - leading) * 8 - first.leading_zeros() as usize
        });
        if !MODULUS_BITS.contains(&bits) {
            return Err(KeyError::Size(bits));
        }
        DecodingKey::from_rsa_components(n, e)
            .map(Self)
            .map_err(|_| NOT_PUBLIC)
    }

    fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        match &jwk.algorithm {
            AlgorithmParameters::RSA(rsa) => Self::from_components(&rsa.n, &rsa.e),
            _ => Err(KeyError::Kind("public")),
        }
    }

    /// Whether `signature` (base64url) is this key's RS256 signature of `message`.
    pub(super) fn verifies(&self, message: &str, signature: &str) -> bool {
        verify(signature, message.as_bytes(), &self.0, Algorithm::RS256).unwrap_or(false)
    }
}

/// A key that signs, with the public half it implies.
pub(super) struct SigningKey {
    key: EncodingKey,
    jwk: Jwk,
}

impl SigningKey {
    /// From a PEM, PKCS#8 or PKCS#1.
    pub(super) fn from_pem(text: &str) -> Result<Self, KeyError> {
        const NOT_PRIVATE: KeyError = KeyError::Kind("private");
        let pem = pem::normalize(text, "PRIVATE KEY")?;
        if !matches!(pem.label.as_str(), "PRIVATE KEY" | "RSA PRIVATE KEY") {
            return Err(NOT_PRIVATE);
        }
        let key = EncodingKey::from_rsa_pem(pem.text.expose_secret().as_bytes())
            .map_err(|_| NOT_PRIVATE)?;
        let jwk = Jwk::from_encoding_key(&key, Algorithm::RS256).map_err(|_| NOT_PRIVATE)?;
        Ok(Self { key, jwk })
    }

    /// The public half.
    pub(super) fn public_key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_jwk(&self.jwk)
    }

    /// The public half's name: its thumbprint (RFC 7638).
    pub(super) fn kid(&self) -> Result<String, KeyError> {
        self.jwk
            .thumbprint(ThumbprintHash::SHA256)
            .map_err(|_| KeyError::Kind("private"))
    }

    /// The RS256 signature of `message`, base64url.
    pub(super) fn sign(&self, message: &str) -> Result<String, KeyError> {
        sign(message.as_bytes(), &self.key, Algorithm::RS256).map_err(|_| KeyError::Kind("private"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::testing::{TestKey, other_key, small_key, test_key};

    fn signs_for(signing: &SigningKey, public: &PublicKey) -> bool {
        let signature = signing.sign("message").expect("a signature");
        assert!(!public.verifies("massage", &signature));
        public.verifies("message", &signature)
    }

    #[test]
    fn both_encodings_of_a_private_key_give_the_same_pair() {
        let TestKey {
            pkcs8, pkcs1, spki, ..
        } = test_key();
        let public = PublicKey::from_pem(spki).expect("a public key");
        let keys = [pkcs8, pkcs1].map(|pem| SigningKey::from_pem(pem).expect("a private key"));
        for key in &keys {
            assert!(signs_for(key, &public));
            assert!(signs_for(key, &key.public_key().expect("its public half")));
        }
        assert_eq!(keys[0].kid(), keys[1].kid());
        let other = SigningKey::from_pem(&other_key().pkcs8).expect("a private key");
        assert!(!signs_for(&other, &public));
        assert_ne!(other.kid(), keys[0].kid());
    }

    #[test]
    fn a_key_is_only_taken_for_what_it_is() {
        let key = test_key();
        let certificate = key.spki.replace("PUBLIC KEY", "CERTIFICATE");
        for pem in [&key.pkcs8, &key.pkcs1, &certificate] {
            assert_eq!(
                PublicKey::from_pem(pem).err(),
                Some(KeyError::Kind("public"))
            );
        }
        let disguised = key.pkcs1.replace("RSA PRIVATE KEY", "RSA PUBLIC KEY");
        assert_eq!(
            PublicKey::from_pem(&disguised).err(),
            Some(KeyError::Kind("public"))
        );
        assert_eq!(
            SigningKey::from_pem(&key.spki).err(),
            Some(KeyError::Kind("private"))
        );
        let disguised = key.spki.replace("PUBLIC KEY", "PRIVATE KEY");
        assert_eq!(
            SigningKey::from_pem(&disguised).err(),
            Some(KeyError::Kind("private"))
        );
    }

    #[test]
    fn small_keys_are_refused() {
        assert_eq!(
            PublicKey::from_pem(small_key()).err(),
            Some(KeyError::Size(1024))
        );
    }
}
