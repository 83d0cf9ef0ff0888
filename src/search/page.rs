//! Pages of what was found: the newest first, or the best.

use std::{cmp::Reverse, collections::HashMap};

use chrono::DateTime;
use uuid::Uuid;

use super::{
    MOST_CHARACTERS,
    find::{Hit, Reach, find},
    query::Query,
};
use crate::{
    db::{
        self, Connection,
        read::{
            messages,
            search::{Place, Scope, by_lookups},
        },
    },
    model::{message::Message, search::FoundMessage},
};

/// Of the newest matches so many are put in order.
const RANKED: usize = 250;

/// Before every message.
const FIRST: Place = Place {
    at: DateTime::UNIX_EPOCH,
    id: Uuid::nil(),
};

/// A page of what was found, and the place behind it while there may be more.
#[derive(Debug)]
pub struct Page<P> {
    /// The messages.
    pub items: Vec<FoundMessage>,
    /// Where the next page begins.
    pub next: Option<P>,
}

/// A place among the best: behind a message with this rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Best {
    /// The newest match when the first page was read: later ones do not come in between.
    pub newest: Place,
    /// The oldest of those that were put in order then: none falls out by what comes in between.
    pub oldest: Place,
    /// The rank of the last message.
    pub rank: Rank,
}

/// How good a match is; the smaller the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(pub Reverse<u32>, pub Reverse<Place>);

/// The newest matches before a place; none when the conversation is not the viewer's.
/// There may be fewer than `limit` although there are more behind them.
///
/// # Errors
///
/// When a statement fails.
pub async fn newest(
    conn: &mut Connection,
    scope: Scope<'_>,
    query: &Query,
    before: Option<Place>,
    limit: usize,
) -> db::Result<Page<Place>> {
    let mut snapshot = conn.build_transaction().repeatable_read().read_only();
    let page = snapshot.run(async |conn| {
        by_lookups(conn).await?;
        let reach = Reach::Hits(limit.saturating_add(1));
        let mut found = find(conn, scope, query, before, reach).await?;
        if found.hits.len() > limit {
            found.hits.truncate(limit);
            found.next = found.hits.last().map(|hit| hit.place);
        }
        Ok(Page {
            items: messages(conn, scope, query, &found.hits).await?,
            next: found.next,
        })
    });
    page.await
}

/// The best of the newest 250 matches, behind a place.
///
/// # Errors
///
/// When a statement fails.
pub async fn best(
    conn: &mut Connection,
    scope: Scope<'_>,
    query: &Query,
    after: Option<Best>,
    limit: usize,
) -> db::Result<Page<Best>> {
    let mut snapshot = conn.build_transaction().repeatable_read().read_only();
    let page = snapshot.run(async |conn| {
        by_lookups(conn).await?;
        let before = after.map(|best| best.newest.including());
        let reach = after.map_or(Reach::Hits(RANKED), |best| Reach::Place(best.oldest));
        let found = find(conn, scope, query, before, reach).await?;
        let mut hits = found.hits;
        let ends = match after {
            Some(best) => Some((best.newest, best.oldest)),
            None => hits.first().zip(hits.last()).map(|(newest, oldest)| {
                let is_all = found.next.is_none();
                (newest.place, if is_all { FIRST } else { oldest.place })
            }),
        };
        hits.retain(|hit| after.is_none_or(|best| rank(hit) > best.rank));
        hits.sort_unstable_by_key(rank);
        let is_more = hits.len() > limit;
        hits.truncate(limit);
        let last = hits.last().filter(|_| is_more);
        Ok(Page {
            next: last.zip(ends).map(|(hit, (newest, oldest))| Best {
                newest,
                oldest,
                rank: rank(hit),
            }),
            items: messages(conn, scope, query, &hits).await?,
        })
    });
    page.await
}

fn rank(hit: &Hit) -> Rank {
    Rank(Reverse(hit.score), Reverse(hit.place))
}

/// The messages, with what was found in each.
async fn messages(
    conn: &mut Connection,
    scope: Scope<'_>,
    query: &Query,
    hits: &[Hit],
) -> db::Result<Vec<FoundMessage>> {
    let ids: Vec<_> = hits.iter().map(|hit| hit.place.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let messages = messages::by_ids(conn, scope.user_id, &ids).await?;
    let mut messages: HashMap<_, _> = messages.into_iter().map(|m| (m.id, m)).collect();
    let in_order = ids.iter().filter_map(|id| messages.remove(id));
    Ok(in_order
        .filter_map(|message| found(query, message))
        .collect())
}

fn found(query: &Query, message: Message) -> Option<FoundMessage> {
    let searched = usize::try_from(MOST_CHARACTERS).unwrap_or(usize::MAX);
    let body: String = message.body.chars().take(searched).collect();
    let filename = message
        .attachments
        .first()
        .and_then(|file| file.filename.clone());
    let mut ranges = query
        .find(&[&body, filename.as_deref().unwrap_or_default()])?
        .ranges
        .into_iter();
    Some(FoundMessage {
        in_body: ranges.next().unwrap_or_default(),
        in_filename: ranges.next().unwrap_or_default(),
        message,
    })
}
