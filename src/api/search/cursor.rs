//! Cursors of what was found: a list in two orders, each with places of its own.

use std::cmp::Reverse;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    api::extract::Place,
    db::read::search,
    search::{Best, Rank},
};

const NEWEST: u8 = 0;
const BEST: u8 = 1;

/// A place in either order: its time, and the rest as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) struct Cursor {
    at: DateTime<Utc>,
    key: Vec<u8>,
}

impl Place for Cursor {
    const LIST: u8 = 8;

    fn parts(&self) -> (DateTime<Utc>, &[u8]) {
        (self.at, &self.key)
    }

    fn from_parts(at: DateTime<Utc>, key: &[u8]) -> Option<Self> {
        let cursor = Self {
            at,
            key: key.to_vec(),
        };
        (cursor.newest().is_some() || cursor.best().is_some()).then_some(cursor)
    }
}

impl From<search::Place> for Cursor {
    fn from(place: search::Place) -> Self {
        Self {
            at: place.at,
            key: [&[NEWEST], place.id.as_bytes().as_slice()].concat(),
        }
    }
}

impl From<Best> for Cursor {
    fn from(best: Best) -> Self {
        let Best {
            newest,
            oldest,
            rank: Rank(Reverse(score), Reverse(last)),
        } = best;
        let parts: [&[u8]; 7] = [
            &[BEST],
            &score.to_be_bytes(),
            last.id.as_bytes(),
            &newest.at.timestamp_micros().to_be_bytes(),
            newest.id.as_bytes(),
            &oldest.at.timestamp_micros().to_be_bytes(),
            oldest.id.as_bytes(),
        ];
        Self {
            at: last.at,
            key: parts.concat(),
        }
    }
}

impl Cursor {
    /// The place, when it is one of the newest first.
    pub(super) fn newest(&self) -> Option<search::Place> {
        let id = Uuid::from_slice(self.key.strip_prefix(&[NEWEST])?).ok()?;
        Some(search::Place { at: self.at, id })
    }

    /// The place, when it is one of the best first.
    pub(super) fn best(&self) -> Option<Best> {
        let (score, rest) = self.key.strip_prefix(&[BEST])?.split_first_chunk()?;
        let (last, rest) = rest.split_at_checked(16)?;
        let (newest, rest) = place(rest)?;
        let (oldest, rest) = place(rest)?;
        let last = search::Place {
            at: self.at,
            id: Uuid::from_slice(last).ok()?,
        };
        let is_whole = rest.is_empty() && oldest <= last && last <= newest;
        is_whole.then_some(Best {
            newest,
            oldest,
            rank: Rank(Reverse(u32::from_be_bytes(*score)), Reverse(last)),
        })
    }
}

/// A place, and what is behind it.
fn place(bytes: &[u8]) -> Option<(search::Place, &[u8])> {
    let (micros, rest) = bytes.split_first_chunk()?;
    // What Postgres knows, as of the cursor's own time.
    let micros = i64::from_be_bytes(*micros);
    let at = (micros >= 0).then(|| DateTime::from_timestamp_micros(micros))??;
    let (id, rest) = rest.split_at_checked(16)?;
    let id = Uuid::from_slice(id).ok()?;
    Some((search::Place { at, id }, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::extract::{decode_cursor, encode_cursor};

    proptest! {
        #[test]
        fn a_place_survives_the_wire(micros in 0..4_102_444_800_000_000_i64, later in 0..1_000_000_i64, id: u128, score: u32) {
            let at = |micros| DateTime::from_timestamp_micros(micros).unwrap();
            let place = search::Place { at: at(micros), id: Uuid::from_u128(id) };
            let sent = encode_cursor(&Cursor::from(place));
            prop_assert_eq!(decode_cursor::<Cursor>(&sent).unwrap().newest(), Some(place));
            prop_assert_eq!(decode_cursor::<Cursor>(&sent).unwrap().best(), None);
            let best = Best {
                newest: search::Place { at: at(micros + later), id: Uuid::max() },
                oldest: search::Place { at: at(micros), id: Uuid::nil() },
                rank: Rank(Reverse(score), Reverse(place)),
            };
            let sent = encode_cursor(&Cursor::from(best));
            prop_assert_eq!(decode_cursor::<Cursor>(&sent).unwrap().best(), Some(best));
            prop_assert_eq!(decode_cursor::<Cursor>(&sent).unwrap().newest(), None);
        }

        #[test]
        fn whatever_is_sent_is_read_or_refused(key: Vec<u8>) {
            let cursor = Cursor::from_parts(DateTime::UNIX_EPOCH, &key);
            prop_assert!(cursor.is_none_or(|cursor| cursor.key == key));
        }
    }
}
