//! Session tokens for development, signed with a key of one's own.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    clerk::{LONGEST_LIFETIME, is_id},
    digest::sha256,
    rsa::SigningKey,
};

pub use super::rsa::KeyError;
pub use crate::config::pem::PemError;

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The key can't sign.
    #[error("the development key is {0}")]
    Key(#[from] KeyError),
    /// The user is not one that Clerk could have.
    #[error("a user id is `user_` and letters, digits, `_` or `-`")]
    UserId,
    /// No session token lives so long, or so short.
    #[error("a token lives 1 to {} seconds", LONGEST_LIFETIME.num_seconds())]
    Lifetime,
}

/// A session token of `user_id`, as Clerk would make it, but by `issuer`.
///
/// All tokens of a user are of one session, so that one renews another on a socket.
///
/// # Errors
///
/// [`MintError`] when the verifier would refuse such a token.
pub fn mint(
    key_pem: &SecretString,
    issuer: &str,
    user_id: &str,
    now: DateTime<Utc>,
    lifetime: Duration,
) -> Result<String, MintError> {
    if !is_id(user_id, "user_") {
        return Err(MintError::UserId);
    }
    if lifetime.num_seconds() < 1 || lifetime > LONGEST_LIFETIME {
        return Err(MintError::Lifetime);
    }
    let key = SigningKey::from_pem(key_pem.expose_secret())?;
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key.kid()?});
    let now = now.timestamp();
    let claims = json!({
        "iss": issuer,
        "sub": user_id,
        "sid": session_id(user_id),
        "iat": now,
        "nbf": now,
        "exp": now + lifetime.num_seconds(),
    });
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let message = format!("{header}.{claims}");
    let signature = key.sign(&message)?;
    Ok(format!("{message}.{signature}"))
}

fn session_id(user_id: &str) -> String {
    let hash = sha256("tributary/development-session", user_id);
    format!("sess_dev_{}", URL_SAFE_NO_PAD.encode(&hash[..16]))
}
