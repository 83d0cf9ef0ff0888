//! `clerk`: the identity provider of the web app's users.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// `clerk`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clerk {
    /// `pk_test_...` or `pk_live_...`; carries the issuer's host.
    pub publishable_key: Option<String>,
    /// The `iss` of session tokens.
    pub issuer: Option<String>,
    /// Where the keys are; `<issuer>/.well-known/jwks.json` unless given.
    pub jwks_url: Option<Url>,
    /// The public key itself, as PEM: no JWKS is fetched then.
    pub jwt_key: Option<SecretString>,
    /// The `azp` values that are accepted; empty accepts any.
    pub authorized_parties: Vec<String>,
    /// The Svix secret of the webhook, `whsec_...`.
    pub webhook_secret: Option<SecretString>,
    /// Seconds by which clocks may differ.
    pub clock_skew_seconds: u32,
    /// Whether a session that impersonates (`act`) is accepted.
    pub allow_impersonation: bool,
    /// A private key for development only: `dev-token` signs with it.
    pub development_key_file: Option<PathBuf>,
}

impl Default for Clerk {
    fn default() -> Self {
        Self {
            publishable_key: None,
            issuer: None,
            jwks_url: None,
            jwt_key: None,
            authorized_parties: Vec::new(),
            webhook_secret: None,
            clock_skew_seconds: 5,
            allow_impersonation: false,
            development_key_file: None,
        }
    }
}
