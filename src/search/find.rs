//! Finds the newest messages that match, by whichever way is short.
//!
//! 1. The newest messages are read as they are: a common word is soon on enough of them.
//! 2. A word that is on none of them, or few, is rare: the index says where it is. What that
//!    names is read.
//! 3. When the index names too many, or would, more messages are read as they are, up to a
//!    bound; what is left is for the next page.
//!
//! So a search costs about as much for each word and each size of an archive.

use super::{MOST_CHARACTERS, matching::Match, query::Query, walk::Walk};
use crate::db::{
    self, Connection,
    read::search::{self, Candidate, Place, Scope},
};

/// Messages that are read before the index is asked.
const FIRST: usize = 400;
/// What is on so many of the first messages is on more of all than the index may name.
const COMMON: usize = FIRST / 20;
/// Messages that the index may name.
const MOST_INDEXED: i64 = 3_000;
/// Messages that are read at a time.
const CHUNK: usize = 250;
/// Messages that are read when the index names too many.
const MOST_WALKED: usize = 500;
/// Messages that are read down to a place: more than were there when it was chosen.
const MOST_WALKED_TO: usize = 8_000;

/// A message that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) place: Place,
    pub(super) score: u32,
}

/// How far to look.
#[derive(Debug, Clone, Copy)]
pub(super) enum Reach {
    /// Until there are so many.
    Hits(usize),
    /// Down to this place, with it.
    Place(Place),
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest first.
    pub(super) hits: Vec<Hit>,
    /// From where there may be more.
    pub(super) next: Option<Place>,
}

/// Finds the messages before a place, as far as `reach`.
pub(super) async fn find(
    conn: &mut Connection,
    scope: Scope<'_>,
    query: &Query,
    before: Option<Place>,
    reach: Reach,
) -> db::Result<Found> {
    let mut found = Found::default();
    let mut walk = Walk::from(conn, scope, before).await?;
    let read = walk.step(conn, FIRST, MOST_CHARACTERS).await?;
    if found.take(query, &read, reach) {
        return Ok(found);
    }
    let Some(place) = walk.at else {
        return Ok(found);
    };
    let indexed = match query.to_tsquery() {
        Some(_) if found.is_common(scope, reach) => None,
        Some(tsquery) => search::indexed(conn, scope, &tsquery, place, MOST_INDEXED).await?,
        None => None,
    };
    if let Some(ids) = indexed {
        for ids in ids.chunks(CHUNK) {
            let read = search::shown_of(conn, scope, ids, MOST_CHARACTERS).await?;
            if found.take(query, &read, reach) {
                break;
            }
        }
        return Ok(found);
    }
    let most = match reach {
        Reach::Hits(_) => MOST_WALKED,
        Reach::Place(_) => MOST_WALKED_TO,
    };
    let mut walked = 0;
    while walked < most && walk.at.is_some() {
        let read = walk.step(conn, CHUNK * 2, MOST_CHARACTERS).await?;
        if found.take(query, &read, reach) {
            return Ok(found);
        }
        walked += CHUNK * 2;
    }
    // What was read last may be nothing of theirs, and a cursor tells a time and an id.
    if let Some(place) = walk.at {
        let next = search::next_shown(conn, scope, place).await?;
        found.next = next.map(Place::including);
    }
    Ok(found)
}

impl Found {
    /// Whether the index need not be asked, after the first messages. Of one conversation it
    /// may have few of what is common, and is soon asked.
    fn is_common(&self, scope: Scope<'_>, reach: Reach) -> bool {
        let is_many = self.hits.len() >= COMMON && matches!(reach, Reach::Hits(_));
        is_many && scope.conversation_id.is_none()
    }

    /// Takes what matches; true when it reaches as far as is wanted.
    fn take(&mut self, query: &Query, read: &[Candidate], reach: Reach) -> bool {
        for candidate in read {
            if matches!(reach, Reach::Place(place) if candidate.place() < place) {
                return true;
            }
            let Some(found) = matched(query, candidate) else {
                continue;
            };
            self.hits.push(Hit {
                place: candidate.place(),
                score: found.score,
            });
            if matches!(reach, Reach::Hits(wanted) if self.hits.len() >= wanted) {
                self.next = Some(candidate.place());
                return true;
            }
        }
        false
    }
}

fn matched(query: &Query, candidate: &Candidate) -> Option<Match> {
    let body = candidate.body.as_deref()?;
    // A file's name is often its body.
    let filename = candidate.filename.as_deref().filter(|name| *name != body);
    query.find(&[body, filename.unwrap_or_default()])
}
