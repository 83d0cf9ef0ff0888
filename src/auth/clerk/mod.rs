//! Clerk session tokens: who they admit, and why not.
//!
//! The way of a token: [`jwt`] takes it apart, [`claims`] judges what it says, [`keys`] finds
//! who could have signed it, [`ended`] whether its session is over, [`verifier`] puts them in
//! this order, cheap before dear.

mod claims;
mod ended;
mod jwks;
mod jwt;
mod keys;
mod verifier;

use chrono::{DateTime, Duration, Utc};

pub use self::{
    ended::Ended,
    keys::{Health, RefreshError},
    verifier::{Error, Verifier},
};

/// The `iss` of tokens that the development key signs.
pub const DEVELOPMENT_ISSUER: &str = "http://127.0.0.1/tributary-development";

/// No session token lives longer.
pub const LONGEST_LIFETIME: Duration = Duration::seconds(600);

/// The reason of [`Refusal::Unauthorized`] when the keys could not be fetched: the token may be
/// a good one.
pub const KEYS_UNAVAILABLE: &str = "keys_unavailable";

/// An authenticated session of a user of the web app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `sub`: `user_...`.
    pub user_id: String,
    /// `sid`: `sess_...`.
    pub session_id: String,
    /// `exp`, without the skew.
    pub expires_at: DateTime<Utc>,
    /// `iat`.
    pub issued_at: DateTime<Utc>,
    /// `azp`: the origin that the token was made for.
    pub azp: Option<String>,
}

/// Why a token does not admit. The reasons are stable words, never a part of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a session token of this Clerk instance, or not now: 401.
    #[error("unauthorized: {0}")]
    Unauthorized(&'static str),
    /// A genuine one of a session that may not: 403.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
}

/// Whether this looks like the id of a Clerk user.
#[must_use]
pub fn is_user_id(id: &str) -> bool {
    is_id(id, "user_")
}

/// Whether this looks like the id of a Clerk session.
#[must_use]
pub fn is_session_id(id: &str) -> bool {
    is_id(id, "sess_")
}

/// Whether `id` is `prefix` and what Clerk puts behind it.
pub(super) fn is_id(id: &str, prefix: &str) -> bool {
    const LONGEST: usize = 255;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    id.len() <= LONGEST
        && id
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(letter))
}

#[cfg(test)]
mod tests;
