//! Key pairs, and what they can sign.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RsaPublicKeyComponents,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

/// An RSA pair.
pub(super) struct Pair {
    pkcs8: String,
    /// The public half as PEM.
    pub(super) spki: String,
    n: String,
    e: String,
}

/// The pair that signs for Clerk here.
pub(super) fn clerk() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(Pair::generate)
}

/// A pair of somebody else's.
pub(super) fn foreign() -> &'static Pair {
    static PAIR: OnceLock<Pair> = OnceLock::new();
    PAIR.get_or_init(Pair::generate)
}

impl Pair {
    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let RsaPublicKeyComponents { n, e } =
            RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        Self {
            pkcs8: pem("PRIVATE KEY", pkcs8.as_ref()),
            spki: pem("PUBLIC KEY", spki.as_ref()),
            n: URL_SAFE_NO_PAD.encode(n),
            e: URL_SAFE_NO_PAD.encode(e),
        }
    }

    /// Its entry in a JWKS, for another use or algorithm if these members say so.
    pub(super) fn jwk(&self, kid: &str, usage: &str, alg: &str) -> Value {
        json!({"kty": "RSA", "use": usage, "alg": alg, "kid": kid, "n": self.n, "e": self.e})
    }

    /// The public half as a header would carry it.
    pub(super) fn header_jwk(&self) -> String {
        json!({"kty": "RSA", "n": self.n, "e": self.e}).to_string()
    }

    /// A token of exactly these texts.
    pub(super) fn token(&self, header: &str, claims: &str) -> String {
        self.token_by(Algorithm::RS256, header.as_bytes(), claims.as_bytes())
    }

    /// The same by another algorithm.
    pub(super) fn token_by(&self, algorithm: Algorithm, header: &[u8], claims: &[u8]) -> String {
        let key = EncodingKey::from_rsa_pem(self.pkcs8.as_bytes()).unwrap();
        signed(&key, algorithm, header, claims)
    }

    /// With the public key as the secret of an HMAC, which careless verifiers take.
    pub(super) fn token_by_hmac(&self, header: &str, claims: &str) -> String {
        let key = EncodingKey::from_secret(self.spki.as_bytes());
        signed(&key, Algorithm::HS256, header.as_bytes(), claims.as_bytes())
    }
}

/// An elliptic key's signature of these texts.
pub(super) fn elliptic(header: &str, claims: &str) -> String {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    let key = EncodingKey::from_ec_der(document.unwrap().as_ref());
    signed(&key, Algorithm::ES256, header.as_bytes(), claims.as_bytes())
}

fn signed(key: &EncodingKey, algorithm: Algorithm, header: &[u8], claims: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    let message = format!("{header}.{claims}");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}
