//! Cursors: where a viewer stands in their own stream.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The version of this format.
const VERSION: u8 = 1;
/// Version, epoch, user, position.
const LENGTH: usize = 1 + 16 + 8 + 8;

/// A place in one viewer's stream, in one life of the database. Opaque on the
/// wire: base64url of format version, epoch, the user's fingerprint and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The database's epoch.
    pub epoch: Uuid,
    /// Whose stream it is.
    user: [u8; 8],
    /// The last position received.
    pub position: i64,
}

impl Cursor {
    /// The cursor of a position in a viewer's stream.
    #[must_use]
    pub fn new(epoch: Uuid, user_id: &str, position: i64) -> Self {
        Self {
            epoch,
            user: fingerprint(user_id),
            position,
        }
    }

    /// Whether it is of this viewer's stream in this life of the database.
    #[must_use]
    pub fn belongs_to(&self, epoch: Uuid, user_id: &str) -> bool {
        self.epoch == epoch && self.user == fingerprint(user_id)
    }

    /// Reads a cursor; none for what never was one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (version, rest) = bytes.split_first()?;
        let (epoch, rest) = rest.split_first_chunk::<16>()?;
        let (user, rest) = rest.split_first_chunk::<8>()?;
        let position = i64::from_be_bytes(*rest.first_chunk()?);
        (*version == VERSION && position >= 0).then_some(Self {
            epoch: Uuid::from_bytes(*epoch),
            user: *user,
            position,
        })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.epoch.as_bytes());
        bytes.extend_from_slice(&self.user);
        bytes.extend_from_slice(&self.position.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

fn fingerprint(user_id: &str) -> [u8; 8] {
    let digest = Sha256::digest(user_id.as_bytes());
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_survives_the_wire(epoch: u128, user: String, position in 0..i64::MAX) {
            let cursor = Cursor::new(Uuid::from_u128(epoch), &user, position);
            prop_assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
            prop_assert!(cursor.belongs_to(Uuid::from_u128(epoch), &user));
        }

        #[test]
        fn nonsense_is_no_cursor(text: String) {
            prop_assert!(Cursor::parse(&text).is_none_or(|cursor| cursor.to_string() == text));
        }
    }

    #[test]
    fn a_cursor_is_of_one_user_and_one_epoch() {
        let epoch = Uuid::from_u128(1);
        let cursor = Cursor::new(epoch, "user_a", 5);
        assert!(!cursor.belongs_to(epoch, "user_b"));
        assert!(!cursor.belongs_to(Uuid::from_u128(2), "user_a"));
        assert_eq!(
            Cursor::parse(&Cursor::new(epoch, "user_a", -1).to_string()),
            None
        );
    }
}
