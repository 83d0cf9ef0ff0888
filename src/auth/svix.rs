//! Svix signatures, by which Clerk's webhooks are known
//! (<https://docs.svix.com/receiving/verifying-payloads/how-manual>).
//!
//! Signed is `id.timestamp.body`, by HMAC-SHA256 with the endpoint's secret. While a
//! secret is rotated there are several signatures, of which one has to be right.

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

/// By how much the sender's clock may differ, and how old a delivery may be; seconds.
pub const TOLERANCE: u64 = 300;
/// The longest `svix-id` that is taken, in bytes.
const LONGEST_ID: usize = 255;

/// Why a delivery is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header is missing, there twice, or not of its form.
    #[error("svix-id, svix-timestamp and svix-signature are required")]
    Malformed,
    /// Signed too long ago, or too far ahead.
    #[error("svix-timestamp is not of now")]
    Stale,
    /// None of the signatures is of this endpoint's secret.
    #[error("no signature of this endpoint")]
    Forged,
}

/// The secret of a webhook endpoint, ready to check with.
#[derive(Clone)]
pub struct Secret(Hmac<Sha256>);

/// It is not `whsec_` and base64 of at least one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("clerk.webhook_secret is no webhook secret")]
pub struct BadSecret;

/// What the headers of a delivery say, before its body is read.
#[derive(Debug, Clone, Copy)]
pub struct Stamp<'h> {
    /// The delivery's id, the same when it is sent again.
    pub id: &'h str,
    timestamp: &'h str,
    signatures: &'h str,
}

impl<'h> Stamp<'h> {
    /// Reads a delivery's headers at the time `now`.
    ///
    /// # Errors
    ///
    /// [`Refusal`], all but [`Refusal::Forged`].
    pub fn read(headers: &'h HeaderMap, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let stamp = Self {
            id: only(headers, "svix-id")?,
            timestamp: only(headers, "svix-timestamp")?,
            signatures: only(headers, "svix-signature")?,
        };
        if stamp.id.is_empty() || stamp.id.len() > LONGEST_ID {
            return Err(Refusal::Malformed);
        }
        let sent: i64 = stamp.timestamp.parse().map_err(|_| Refusal::Malformed)?;
        if sent.abs_diff(now.timestamp()) > TOLERANCE {
            return Err(Refusal::Stale);
        }
        Ok(stamp)
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &str) -> Result<&'h str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Refusal::Malformed),
        _ => Err(Refusal::Malformed),
    }
}

impl Secret {
    /// Reads `whsec_...`. An empty one would take what anybody signs.
    ///
    /// # Errors
    ///
    /// [`BadSecret`] when it is none.
    pub fn parse(secret: &SecretString) -> Result<Self, BadSecret> {
        let encoded = secret
            .expose_secret()
            .strip_prefix("whsec_")
            .ok_or(BadSecret)?;
        let key = STANDARD.decode(encoded).map_err(|_| BadSecret)?;
        if key.is_empty() {
            return Err(BadSecret);
        }
        Hmac::new_from_slice(&key).map(Self).map_err(|_| BadSecret)
    }

    /// Whether this secret has signed the delivery. Takes as long for a wrong signature as
    /// for a right one.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forged`] when it has not.
    pub fn verify(&self, stamp: &Stamp<'_>, body: &[u8]) -> Result<(), Refusal> {
        let expected = self.sign(stamp.id, stamp.timestamp, body);
        let signatures = stamp.signatures.split(' ');
        let found = signatures
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .fold(Choice::from(0), |found, signature| {
                found | signature.ct_eq(&expected)
            });
        if found.into() {
            Ok(())
        } else {
            Err(Refusal::Forged)
        }
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests;
