//! `clerk`: the identity provider of the web app's users.

use std::path::{Path, PathBuf};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Server,
    error::{Report, unreadable},
    masked, pem,
    schema::{Key, Kind},
    server,
};

pub(super) const KEYS: &[Key] = &[
    Key::new("publishable_key", Kind::Text),
    Key::new("issuer", Kind::Url),
    Key::new("jwks_url", Kind::Url),
    Key::new("jwt_key", Kind::Secret),
    Key::new("authorized_parties", Kind::Texts),
    Key::new("webhook_secret", Kind::Secret),
    Key::new("clock_skew_seconds", Kind::Number(0, 300)),
    Key::new("allow_impersonation", Kind::Flag),
    Key::new("development_key_file", Kind::Path),
];

/// `clerk`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clerk {
    /// `pk_test_...` or `pk_live_...`; carries the issuer's host.
    pub publishable_key: Option<String>,
    /// The `iss` of session tokens, without a slash at its end. Filled in from
    /// `publishable_key` when only that is given.
    pub issuer: Option<String>,
    /// Where the keys are; `<issuer>/.well-known/jwks.json` unless given.
    #[serde(serialize_with = "masked::optional_url")]
    pub jwks_url: Option<Url>,
    /// The public key itself, as PEM ([`pem::normalize`]d): no JWKS is fetched then.
    #[serde(serialize_with = "masked::secret")]
    pub jwt_key: Option<SecretString>,
    /// The `azp` values that are accepted; empty accepts any.
    pub authorized_parties: Vec<String>,
    /// The Svix secret of the webhook, `whsec_...`.
    #[serde(serialize_with = "masked::secret")]
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

impl Clerk {
    /// Brings the keys into the form that the rest of the program relies on.
    pub(super) fn complete(&mut self, report: &mut Report) {
        if let Some(issuer) = &mut self.issuer {
            issuer.truncate(issuer.trim_end_matches('/').len());
        }
        self.complete_issuer(report);
        if let Some(pasted) = self.jwt_key.take() {
            match public_key(&pasted) {
                Ok(pem) => self.jwt_key = Some(pem),
                Err(what) => {
                    let right = "the PEM public key of the Clerk instance (RSA, 2048 bits or more)";
                    report.add("clerk.jwt_key", what, right);
                    self.jwt_key = Some(pasted);
                }
            }
        }
    }

    fn complete_issuer(&mut self, report: &mut Report) {
        let Some(key) = &self.publishable_key else {
            return;
        };
        match (issuer_of(key), &self.issuer) {
            (None, _) => report.add(
                "clerk.publishable_key",
                "is no publishable key",
                "`pk_test_...` or `pk_live_...` from the Clerk dashboard",
            ),
            (Some(derived), None) => self.issuer = Some(derived),
            (Some(derived), Some(issuer)) if derived == *issuer => {}
            (Some(derived), Some(_)) => report.add(
                "clerk.issuer",
                "belongs to another Clerk instance than clerk.publishable_key",
                format!("`{derived}`, or give only one of the two"),
            ),
        }
    }

    pub(super) fn check(&self, server: &Server, report: &mut Report) {
        let key = &self.jwt_key;
        if self.issuer.is_none() && self.publishable_key.is_none() {
            if key.is_some() || self.jwks_url.is_some() {
                let what = "is missing: a key alone does not say whose tokens are accepted";
                report.add("clerk.issuer", what, "`https://<name>.clerk.accounts.dev`");
            } else if self.development_key_file.is_none() {
                let what = "is missing: no session token could be verified";
                let right = "clerk.publishable_key or clerk.issuer; clerk.development_key_file for development";
                report.add("clerk.issuer", what, right);
            }
        }
        if self
            .webhook_secret
            .as_ref()
            .is_some_and(|secret| !is_svix_secret(secret))
        {
            let right = "`whsec_...` from the endpoint's page in the Clerk dashboard";
            report.add("clerk.webhook_secret", "is no webhook secret", right);
        }
        if let Some(file) = &self.development_key_file {
            self.check_development_key(file, server, report);
        }
    }

    fn check_development_key(&self, file: &Path, server: &Server, report: &mut Report) {
        const KEY: &str = "clerk.development_key_file";
        const RIGHT: &str = "leave it out; whoever has this key can sign in as anybody";
        if !server.is_loopback() {
            let what = "is refused: server.bind and server.public_url are not both on loopback";
            report.add(KEY, what, RIGHT);
        }
        if !server.trusted_proxies.is_empty() {
            let what = "is refused: server.trusted_proxies is set, so others reach this server";
            report.add(KEY, what, RIGHT);
        }
        if self.is_live() {
            report.add(
                KEY,
                "is refused: a live Clerk instance is configured",
                RIGHT,
            );
        }
        if let Err(what) = private_key(file) {
            let right = "an RSA private key in PEM, as `openssl genrsa -out dev.pem 2048` makes";
            report.add(KEY, what, right);
        }
    }

    /// Whether nothing but the development key lets anybody in: an issuer on this machine is
    /// the name of an instance that there is none of.
    #[must_use]
    pub fn is_stand_in(&self) -> bool {
        let issuer = self.issuer.as_ref().and_then(|url| Url::parse(url).ok());
        self.development_key_file.is_some()
            && self.jwks_url.is_none()
            && self.jwt_key.is_none()
            && issuer.is_some_and(|url| server::is_loopback(&url))
    }

    /// Whether real people sign in at the configured instance.
    fn is_live(&self) -> bool {
        let live_key = self
            .publishable_key
            .as_ref()
            .is_some_and(|key| !key.starts_with("pk_test_"));
        let live_issuer = self.issuer.as_ref().is_some_and(|issuer| {
            !Url::parse(issuer).is_ok_and(|url| server::is_loopback(&url) || is_test_instance(&url))
        });
        live_key || live_issuer
    }
}

fn is_test_instance(issuer: &Url) -> bool {
    issuer
        .host_str()
        .is_some_and(|host| host.ends_with(".clerk.accounts.dev"))
}

/// The issuer that a publishable key carries: `pk_(test|live)_` + base64(host + `$`).
fn issuer_of(publishable_key: &str) -> Option<String> {
    let encoded = publishable_key
        .strip_prefix("pk_test_")
        .or_else(|| publishable_key.strip_prefix("pk_live_"))?;
    let decoded = STANDARD
        .decode(encoded)
        .or_else(|_| STANDARD_NO_PAD.decode(encoded))
        .ok()?;
    let host = String::from_utf8(decoded).ok()?;
    let host = host.strip_suffix('$')?;
    let url = Url::parse(&format!("https://{host}")).ok()?;
    (url.host_str()? == host).then(|| format!("https://{host}"))
}

/// Puts an RSA public key into the form that parsers take.
fn public_key(pasted: &SecretString) -> Result<SecretString, String> {
    let pem = pem::normalize(pasted.expose_secret(), "PUBLIC KEY")
        .map_err(|error| format!("is no PEM: {error}"))?;
    if pem.label.ends_with("PRIVATE KEY") {
        return Err("is a private key, which only Clerk should have".to_owned());
    }
    let is_public = pem.label.ends_with("PUBLIC KEY");
    if !is_public || DecodingKey::from_rsa_pem(pem.text.expose_secret().as_bytes()).is_err() {
        return Err("is no RSA public key".to_owned());
    }
    Ok(pem.text)
}

fn private_key(file: &Path) -> Result<(), String> {
    let pem = std::fs::read_to_string(file)
        .map_err(|error| format!("names a file that {}", unreadable(&error)))?;
    let pem =
        pem::normalize(&pem, "PRIVATE KEY").map_err(|_| "names a file without a key".to_owned())?;
    let is_private = pem.label.ends_with("PRIVATE KEY");
    if !is_private || EncodingKey::from_rsa_pem(pem.text.expose_secret().as_bytes()).is_err() {
        return Err("names a file that holds no RSA private key".to_owned());
    }
    Ok(())
}

fn is_svix_secret(secret: &SecretString) -> bool {
    secret
        .expose_secret()
        .strip_prefix("whsec_")
        .and_then(|key| STANDARD.decode(key).ok())
        .is_some_and(|key| !key.is_empty())
}

#[cfg(test)]
mod tests;
