//! The development key that every app of the tests trusts.

use std::{io::Write as _, path::Path, sync::OnceLock};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

/// A private key, and where a configuration finds it.
struct Key {
    pem: SecretString,
    file: tempfile::NamedTempFile,
}

/// The key, as PKCS#8 PEM.
pub(crate) fn signing_key() -> &'static SecretString {
    &key().pem
}

/// The file that holds it, for `clerk.development_key_file`.
pub(crate) fn signing_key_file() -> &'static Path {
    key().file.path()
}

fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let pem = new_key();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem.expose_secret().as_bytes()).unwrap();
        Key { pem, file }
    })
}

/// A key that nobody trusts yet.
pub(crate) fn new_key() -> SecretString {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let body = STANDARD.encode(der.as_ref());
    SecretString::from(format!(
        "-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    ))
}
