//! Cursors of lists: base64url of version, list, time in microseconds and key.
//! Opaque to callers, and not to be confused with those of a stream.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::{
    admin, dead_letters,
    read::{conversations, messages},
};

/// The version of this format.
const VERSION: u8 = 1;
/// More than a Matrix id is no key.
const LONGEST_KEY: usize = 255;
/// 9999-12-31T23:59:59Z in microseconds: what chrono and Postgres both know.
const LAST_MICROSECOND: i64 = 253_402_300_799_000_000;

/// A place in a list: behind the item with this time and key.
pub trait Place: Sized {
    /// Tells the cursors of one list from another's.
    const LIST: u8;

    /// What the list is ordered by.
    fn parts(&self) -> (DateTime<Utc>, &[u8]);

    /// The way back; none for a key that the list can't have.
    fn from_parts(at: DateTime<Utc>, key: &[u8]) -> Option<Self>;
}

/// The cursor of a place.
#[must_use]
pub fn encode<P: Place>(place: &P) -> String {
    let (at, key) = place.parts();
    let mut bytes = vec![VERSION, P::LIST];
    bytes.extend_from_slice(&at.timestamp_micros().to_be_bytes());
    bytes.extend_from_slice(key);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place of a cursor; none for what was never one of this list.
#[must_use]
pub fn decode<P: Place>(cursor: &str) -> Option<P> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let ([version, list], rest) = bytes.split_first_chunk()?;
    let (micros, key) = rest.split_first_chunk()?;
    let micros = i64::from_be_bytes(*micros);
    let known = *version == VERSION && *list == P::LIST && key.len() <= LONGEST_KEY;
    if !known || !(0..=LAST_MICROSECOND).contains(&micros) {
        return None;
    }
    P::from_parts(DateTime::from_timestamp_micros(micros)?, key)
}

impl Place for conversations::Place {
    const LIST: u8 = 1;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.sort_at, self.id.as_bytes())
    }

    fn from_parts(sort_at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let id = Uuid::from_slice(key).ok()?;
        Some(Self { sort_at, id })
    }
}

impl Place for messages::Place {
    const LIST: u8 = 2;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.timestamp, self.event_id.as_bytes())
    }

    /// Postgres takes no U+0000, and no stored event id has one.
    fn from_parts(timestamp: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let event_id = std::str::from_utf8(key).ok()?.to_owned();
        (!event_id.is_empty() && !event_id.contains('\0')).then_some(Self {
            timestamp,
            event_id,
        })
    }
}

impl Place for dead_letters::Place {
    const LIST: u8 = 3;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.created_at, self.id.as_bytes())
    }

    fn from_parts(created_at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let id = Uuid::from_slice(key).ok()?;
        Some(Self { created_at, id })
    }
}

impl Place for admin::audit::Place {
    const LIST: u8 = 4;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.at, self.id.as_bytes())
    }

    fn from_parts(at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let id = Uuid::from_slice(key).ok()?;
        Some(Self { at, id })
    }
}

impl Place for admin::backfills::Place {
    const LIST: u8 = 5;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.created_at, self.id.as_bytes())
    }

    fn from_parts(created_at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let id = Uuid::from_slice(key).ok()?;
        Some(Self { created_at, id })
    }
}

impl Place for admin::connections::Place {
    const LIST: u8 = 6;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.created_at, self.id.as_bytes())
    }

    fn from_parts(created_at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let id = Uuid::from_slice(key).ok()?;
        Some(Self { created_at, id })
    }
}

impl Place for admin::rooms::Place {
    const LIST: u8 = 7;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.first_seen_at, self.room_id.as_bytes())
    }

    /// As of messages: no stored id has a U+0000.
    fn from_parts(first_seen_at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let room_id = std::str::from_utf8(key).ok()?.to_owned();
        (!room_id.is_empty() && !room_id.contains('\0')).then_some(Self {
            first_seen_at,
            room_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_survives_the_wire(micros in 0..LAST_MICROSECOND, event_id in "[^\0]{1,60}", id: u128) {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let message_id = event_id.clone();
            let message = messages::Place { timestamp: at, event_id };
            prop_assert_eq!(decode(&encode(&message)), Some(message));
            let conversation = conversations::Place { sort_at: at, id: Uuid::from_u128(id) };
            prop_assert_eq!(decode(&encode(&conversation)), Some(conversation));
            let letter = dead_letters::Place { created_at: at, id: Uuid::from_u128(id) };
            prop_assert_eq!(decode(&encode(&letter)), Some(letter));
            let backfill = admin::backfills::Place { created_at: at, id: Uuid::from_u128(id) };
            prop_assert_eq!(decode(&encode(&backfill)), Some(backfill));
            let connection = admin::connections::Place { created_at: at, id: Uuid::from_u128(id) };
            prop_assert_eq!(decode(&encode(&connection)), Some(connection));
            let row = admin::audit::Place { at, id: Uuid::from_u128(id) };
            prop_assert_eq!(decode(&encode(&row)), Some(row));
            let room = admin::rooms::Place { first_seen_at: at, room_id: message_id };
            prop_assert_eq!(decode(&encode(&room)), Some(room));
        }

        #[test]
        fn what_is_taken_is_what_was_given(bytes: Vec<u8>) {
            let cursor = URL_SAFE_NO_PAD.encode(bytes);
            if let Some(place) = decode::<messages::Place>(&cursor) {
                prop_assert_eq!(encode(&place), cursor);
            }
        }
    }

    #[test]
    fn cursors_of_one_list_are_none_of_another() {
        let place = conversations::Place {
            sort_at: DateTime::UNIX_EPOCH,
            id: Uuid::from_u128(7),
        };
        assert_eq!(decode::<messages::Place>(&encode(&place)), None);
        assert_eq!(decode::<dead_letters::Place>(&encode(&place)), None);
    }

    #[test]
    fn what_postgres_would_refuse_is_no_cursor() {
        let of = |micros: i64, key: &[u8]| {
            let mut bytes = vec![VERSION, 2];
            bytes.extend_from_slice(&micros.to_be_bytes());
            bytes.extend_from_slice(key);
            decode::<messages::Place>(&URL_SAFE_NO_PAD.encode(bytes))
        };
        assert!(of(1, b"$e").is_some());
        for (micros, key) in [
            (1, b"$\0".as_slice()),
            (1, b"\xff"),
            (1, b""),
            (1, &[b'x'; 256]),
            (-1, b"$e"),
            (i64::MAX, b"$e"),
        ] {
            assert_eq!(of(micros, key), None, "{micros} {key:?}");
        }
    }
}
