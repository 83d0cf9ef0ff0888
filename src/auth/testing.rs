//! Keys and tokens for the tests of this room.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RsaPublicKeyComponents},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use super::rsa::SigningKey;

/// A pair, in every form that a configuration may hold.
pub(crate) struct TestKey {
    pub(crate) pkcs8: String,
    pub(crate) pkcs1: String,
    pub(crate) spki: String,
    n: String,
    e: String,
}

/// The pair that tests trust.
pub(crate) fn test_key() -> &'static TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(TestKey::generate)
}

/// A pair that nobody trusts, or that a rotation brings.
pub(crate) fn other_key() -> &'static TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(TestKey::generate)
}

/// A public key of 1024 bits.
pub(crate) fn small_key() -> &'static str {
    "-----BEGIN PUBLIC KEY-----\n\
     MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCnsUbSZA6zsOGjtdtF2cC85PdR\n\
     BfrQAyanDUj8zuGMYCmYO3v5892/+hafOl/S6LjgtBL+AglorH3CYVwS9XJEkjdu\n\
     777leIozdEn3BM/ImS4BF80upJOpP2cMZFF83UQbkxXAQCDwFj84Fxlnuk68t6O1\n\
     V12kh0BtqijpEIZjkQIDAQAB\n\
     -----END PUBLIC KEY-----\n"
}

impl TestKey {
    fn generate() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().expect("PKCS#8");
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("SPKI");
        let RsaPublicKeyComponents { n, e } =
            RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        // A PKCS#8 of RSA 2048 is 26 bytes of wrapping around the PKCS#1 (RFC 5958).
        let pkcs1 = &pkcs8.as_ref()[26..];
        Self {
            pkcs8: pem("PRIVATE KEY", pkcs8.as_ref()),
            pkcs1: pem("RSA PRIVATE KEY", pkcs1),
            spki: pem("PUBLIC KEY", spki.as_ref()),
            n: URL_SAFE_NO_PAD.encode(n),
            e: URL_SAFE_NO_PAD.encode(e),
        }
    }

    /// Its entry in a JWKS.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": self.n, "e": self.e})
    }

    /// A token of exactly these texts.
    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|text| URL_SAFE_NO_PAD.encode(text));
        let message = format!("{header}.{claims}");
        let key = SigningKey::from_pem(&self.pkcs8).expect("a key");
        format!("{message}.{}", key.sign(&message).expect("a signature"))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        STANDARD.encode(der)
    )
}
