//! Cursors of an export: base64url of version, what it is a cursor of, section and key.
//! Opaque to callers; whoever goes on at one sees what is theirs, whoever's it was.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use uuid::Uuid;

use crate::db::read::export::Place;

const VERSION: u8 = 1;
/// Tells it from the cursors of lists, which have small numbers there.
const EXPORT: u8 = b'E';

const MESSAGES: u8 = 1;
const VERSIONS: u8 = 2;
const CONVERSATIONS: u8 = 3;
const CONNECTIONS: u8 = 4;

/// More than a Matrix id is no key.
const LONGEST_KEY: usize = 255;
/// 9999-12-31T23:59:59Z in microseconds: what chrono and Postgres both know.
const LAST_MICROSECOND: i64 = 253_402_300_799_000_000;

/// The cursor of the place behind a line.
pub(super) fn encode(place: &Place) -> String {
    let mut bytes = vec![VERSION, EXPORT];
    match place {
        Place::Messages { room_id, after } => {
            bytes.push(MESSAGES);
            put(&mut bytes, room_id);
            if let Some((timestamp, event_id)) = after {
                bytes.extend_from_slice(&timestamp.timestamp_micros().to_be_bytes());
                bytes.extend_from_slice(event_id.as_bytes());
            }
        }
        Place::Versions { room_id, after } => {
            bytes.push(VERSIONS);
            put(&mut bytes, room_id);
            bytes.extend_from_slice(after.as_deref().unwrap_or_default().as_bytes());
        }
        Place::Conversations(after) => {
            bytes.push(CONVERSATIONS);
            bytes.extend(after.iter().flat_map(|id| *id.as_bytes()));
        }
        Place::Connections(after) => {
            bytes.push(CONNECTIONS);
            bytes.extend(after.iter().flat_map(|id| *id.as_bytes()));
        }
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place of a cursor; none for what was never one of an export.
pub(super) fn decode(cursor: &str) -> Option<Place> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let ([version, kind, section], rest) = bytes.split_first_chunk()?;
    if (*version, *kind) != (VERSION, EXPORT) {
        return None;
    }
    match *section {
        MESSAGES => {
            let (room_id, rest) = take(rest)?;
            let (micros, event_id) = rest.split_first_chunk()?;
            let micros = i64::from_be_bytes(*micros);
            let is_known = (0..=LAST_MICROSECOND).contains(&micros);
            let timestamp = DateTime::from_timestamp_micros(micros).filter(|_| is_known)?;
            Some(Place::Messages {
                room_id,
                after: Some((timestamp, key(event_id)?)),
            })
        }
        VERSIONS => {
            let (room_id, event_id) = take(rest)?;
            Some(Place::Versions {
                room_id,
                after: Some(key(event_id)?),
            })
        }
        CONVERSATIONS => Some(Place::Conversations(Some(Uuid::from_slice(rest).ok()?))),
        CONNECTIONS => Some(Place::Connections(Some(Uuid::from_slice(rest).ok()?))),
        _ => None,
    }
}

/// An id, behind its length.
fn put(bytes: &mut Vec<u8>, id: &str) {
    // A stored id is no longer than Matrix has them.
    bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(id.as_bytes());
}

fn take(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (id, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((key(id)?, rest))
}

/// Postgres takes no U+0000, and no stored id has one.
fn key(bytes: &[u8]) -> Option<String> {
    let key = std::str::from_utf8(bytes).ok()?;
    let is_key = !key.is_empty() && key.len() <= LONGEST_KEY && !key.contains('\0');
    is_key.then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_place_survives_the_wire(
            micros in 0..LAST_MICROSECOND, room_id in "[^\0]{1,60}", event_id in "[^\0]{1,60}", id: u128,
        ) {
            let at = DateTime::from_timestamp_micros(micros).unwrap();
            let id = Some(Uuid::from_u128(id));
            let (room, event) = (room_id.clone(), event_id.clone());
            for place in [
                Place::Messages { room_id: room, after: Some((at, event)) },
                Place::Versions { room_id, after: Some(event_id) },
                Place::Conversations(id),
                Place::Connections(id),
            ] {
                prop_assert_eq!(decode(&encode(&place)), Some(place));
            }
        }

        #[test]
        fn what_is_taken_is_what_was_given(rest: Vec<u8>) {
            let cursor = URL_SAFE_NO_PAD.encode([vec![VERSION, EXPORT], rest].concat());
            if let Some(place) = decode(&cursor) {
                prop_assert_eq!(encode(&place), cursor);
            }
        }
    }

    #[test]
    fn what_postgres_would_refuse_is_no_cursor() {
        let of = |bytes: &[u8]| decode(&URL_SAFE_NO_PAD.encode(bytes));
        let good = [VERSION, EXPORT, VERSIONS, 1, b'!', b'$'];
        assert!(of(&good).is_some());
        for at in 0..good.len() {
            assert_eq!(of(&good[..at]), None, "cut at {at}");
        }
        assert_eq!(of(&[VERSION, EXPORT, VERSIONS, 1, b'\0', b'$']), None);
        assert_eq!(of(&[VERSION, EXPORT, VERSIONS, 1, 0xff, b'$']), None);
        assert_eq!(of(&[VERSION, 2, VERSIONS, 1, b'!', b'$']), None);
        assert_eq!(of(&[VERSION, EXPORT, 9, 1, b'!', b'$']), None);
        let mut late = vec![VERSION, EXPORT, MESSAGES, 1, b'!'];
        late.extend(i64::MAX.to_be_bytes());
        late.push(b'$');
        assert_eq!(of(&late), None);
        assert_eq!(decode("%"), None);
    }
}
