//! Media tickets: what an `<img>` shows instead of a session token, which it cannot send.
//!
//! A ticket is good for one file, one user's session and a few minutes, and is kept
//! nowhere: it says whose it is, and is signed (HMAC-SHA-256). What its holder may see is
//! asked of the database when it is used, not when it is made.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::Sha256;
use uuid::Uuid;

use super::clerk::{Session, is_session_id, is_user_id};

/// Another format gets another domain, so that none passes for this one.
const DOMAIN: &[u8] = b"tributary/media-ticket/1\0";
const SIGNATURE: usize = 32;
/// Behind the signature: seconds, the length of the session's id, the session, the user.
const SECONDS: usize = 8;
/// The longest ticket, in characters: two ids of 255 bytes.
const LONGEST: usize = (SIGNATURE + SECONDS + 1 + 2 * 255) * 4 / 3 + 1;

/// Signs tickets, and knows them again.
#[derive(Debug)]
pub struct TicketKey(SecretSlice<u8>);

/// Whose a ticket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The Clerk user.
    pub user_id: String,
    /// The session that asked for it.
    pub session_id: String,
}

impl TicketKey {
    /// Of a secret that all replicas share.
    #[must_use]
    pub const fn new(secret: SecretSlice<u8>) -> Self {
        Self(secret)
    }

    /// A ticket for a file, good until then (whole seconds).
    #[must_use]
    pub fn issue(&self, media_id: Uuid, session: &Session, until: DateTime<Utc>) -> String {
        let session_id = session.session_id.as_bytes();
        let mut claims = until.timestamp().to_be_bytes().to_vec();
        // Clerk's ids have at most 255 bytes: the verifier takes no others.
        claims.push(u8::try_from(session_id.len()).unwrap_or(u8::MAX));
        claims.extend_from_slice(session_id);
        claims.extend_from_slice(session.user_id.as_bytes());
        let mut ticket = Vec::with_capacity(SIGNATURE + claims.len());
        if let Some(mac) = self.mac(media_id, &claims) {
            ticket.extend_from_slice(&mac.finalize().into_bytes());
        }
        ticket.extend_from_slice(&claims);
        URL_SAFE_NO_PAD.encode(ticket)
    }

    /// Whose `ticket` is, if it is one for this file and still good `now`.
    #[must_use]
    pub fn open(&self, ticket: &str, media_id: Uuid, now: DateTime<Utc>) -> Option<Holder> {
        if ticket.len() > LONGEST {
            return None;
        }
        let ticket = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let (signature, claims) = ticket.split_at_checked(SIGNATURE)?;
        // Compared in constant time, before anything of the claims is believed.
        self.mac(media_id, claims)?.verify_slice(signature).ok()?;
        let (seconds, ids) = claims.split_first_chunk::<SECONDS>()?;
        let (length, ids) = ids.split_first()?;
        let (session_id, user_id) = ids.split_at_checked(usize::from(*length))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let holder = Holder {
            user_id: text(user_id).filter(|id| is_user_id(id))?,
            session_id: text(session_id).filter(|id| is_session_id(id))?,
        };
        (now.timestamp() < i64::from_be_bytes(*seconds)).then_some(holder)
    }

    fn mac(&self, media_id: Uuid, claims: &[u8]) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).ok()?;
        Some(
            mac.chain_update(DOMAIN)
                .chain_update(media_id.as_bytes())
                .chain_update(claims),
        )
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const FILE: Uuid = Uuid::from_u128(7);

    fn key(byte: u8) -> TicketKey {
        TicketKey::new(vec![byte; 32].into())
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn session(user_id: &str, session_id: &str) -> Session {
        Session {
            user_id: user_id.to_owned(),
            session_id: session_id.to_owned(),
            expires_at: at(60),
            issued_at: at(0),
            azp: None,
        }
    }

    fn issued() -> String {
        key(1).issue(FILE, &session("user_a", "sess_a"), at(1000))
    }

    #[test]
    fn it_opens_what_it_was_issued_for_until_it_expires() {
        let holder = Holder {
            user_id: "user_a".to_owned(),
            session_id: "sess_a".to_owned(),
        };
        let opened = |seconds| key(1).open(&issued(), FILE, at(seconds));
        assert_eq!(opened(0), Some(holder.clone()));
        assert_eq!(opened(999), Some(holder));
        assert_eq!(opened(1000), None);
        assert_eq!(opened(5000), None);
    }

    #[test]
    fn it_is_for_one_file_and_of_one_key() {
        let other = Uuid::from_u128(8);
        assert_eq!(key(1).open(&issued(), other, at(0)), None);
        assert_eq!(key(2).open(&issued(), FILE, at(0)), None);
    }

    #[test]
    fn nobody_changes_a_bit_of_it() {
        let ticket = URL_SAFE_NO_PAD.decode(issued()).unwrap();
        for at_bit in 0..ticket.len() * 8 {
            let mut changed = ticket.clone();
            changed[at_bit / 8] ^= 1 << (at_bit % 8);
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(key(1).open(&changed, FILE, at(0)), None, "bit {at_bit}");
        }
        for length in 0..ticket.len() {
            let cut = URL_SAFE_NO_PAD.encode(&ticket[..length]);
            assert_eq!(key(1).open(&cut, FILE, at(0)), None, "{length} bytes");
        }
    }

    /// Where the session ends and the user begins is signed as well.
    #[test]
    fn two_sessions_have_no_ticket_in_common() {
        let one = key(1).issue(FILE, &session("user_user_b", "sess_a"), at(1000));
        let other = key(1).issue(FILE, &session("user_b", "sess_auser_"), at(1000));
        assert_ne!(one, other);
    }

    #[test]
    fn the_longest_ids_fit() {
        let long = |prefix: &str| format!("{prefix}{}", "x".repeat(250));
        let session = session(&long("user_"), &long("sess_"));
        let ticket = key(1).issue(FILE, &session, at(1000));
        assert!(ticket.len() <= LONGEST);
        let holder = key(1).open(&ticket, FILE, at(0)).unwrap();
        assert_eq!(holder.user_id, session.user_id);
    }

    proptest! {
        #[test]
        fn nothing_else_opens_or_panics(bytes in vec(any::<u8>(), 0..200), text in ".{0,900}") {
            let encoded = URL_SAFE_NO_PAD.encode(bytes);
            for ticket in [&encoded, &text] {
                prop_assert_eq!(key(1).open(ticket, FILE, at(0) - TimeDelta::days(1)), None);
            }
        }
    }
}
