//! Finds the newest messages that match, by whichever way is short.
//!
//! 1. The newest messages are read as they are: a common word is soon on enough of them.
//! 2. Otherwise it is rare, and the index says where it is. What that names is read.
//! 3. When the index names too many, the word is neither: more messages are read as they
//!    are, up to a bound; what is left is for the next page.
//!
//! So a search costs about as much for each word and each size of an archive.

use super::{MOST_CHARACTERS, matching::Match, query::Query, walk::Walk};
use crate::db::{
    self, Connection,
    read::search::{self, Candidate, Place, Scope},
};

/// Messages that are read before the index is asked.
const FIRST: usize = 400;
/// Messages that the index may name.
const MOST_INDEXED: i64 = 3_000;
/// Messages that are read at a time.
const CHUNK: usize = 250;
/// Messages that are read when the index names too many.
const MOST_WALKED: usize = 1_500;

/// A message that matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) place: Place,
    pub(super) score: u32,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The newest first.
    pub(super) hits: Vec<Hit>,
    /// From where there may be more.
    pub(super) next: Option<Place>,
}

/// Finds up to `wanted` messages before a place.
pub(super) async fn find(
    conn: &mut Connection,
    scope: Scope<'_>,
    query: &Query,
    before: Option<Place>,
    wanted: usize,
) -> db::Result<Found> {
    let mut found = Found::default();
    let mut walk = Walk::from(conn, scope, before).await?;
    let read = walk.step(conn, FIRST, MOST_CHARACTERS).await?;
    if found.take(query, &read, wanted) {
        return Ok(found);
    }
    let Some(place) = walk.at else {
        return Ok(found);
    };
    let indexed = match query.to_tsquery() {
        Some(tsquery) => search::indexed(conn, scope, &tsquery, place, MOST_INDEXED).await?,
        None => None,
    };
    if let Some(ids) = indexed {
        for ids in ids.chunks(CHUNK) {
            let read = search::shown_of(conn, scope, ids, MOST_CHARACTERS).await?;
            if found.take(query, &read, wanted) {
                break;
            }
        }
        return Ok(found);
    }
    let mut walked = 0;
    while walked < MOST_WALKED && walk.at.is_some() {
        let read = walk.step(conn, CHUNK * 2, MOST_CHARACTERS).await?;
        if found.take(query, &read, wanted) {
            return Ok(found);
        }
        walked += CHUNK * 2;
    }
    found.next = walk.at;
    Ok(found)
}

impl Found {
    /// Takes what matches; true when there is as much as is wanted.
    fn take(&mut self, query: &Query, read: &[Candidate], wanted: usize) -> bool {
        for candidate in read {
            let Some(found) = matched(query, candidate) else {
                continue;
            };
            self.hits.push(Hit {
                place: candidate.place(),
                score: found.score,
            });
            if self.hits.len() >= wanted {
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
