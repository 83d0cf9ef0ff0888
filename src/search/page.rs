//! Pages of what was found: the newest first, or the best.

use std::{cmp::Reverse, collections::HashMap};

use uuid::Uuid;

use super::{
    MOST_CHARACTERS,
    find::{Hit, find},
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
const RANKED: usize = 500;

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
        let mut found = find(conn, scope, query, before, limit.saturating_add(1)).await?;
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

/// The best of the newest five hundred matches, behind a place.
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
        // Before the next greater id, so that the newest one is among them again.
        let before = after.map(|best| Place {
            id: Uuid::from_u128(best.newest.id.as_u128().saturating_add(1)),
            ..best.newest
        });
        let mut hits = find(conn, scope, query, before, RANKED).await?.hits;
        let newest = after
            .map(|best| best.newest)
            .or(hits.first().map(|hit| hit.place));
        hits.retain(|hit| after.is_none_or(|best| rank(hit) > best.rank));
        hits.sort_unstable_by_key(rank);
        let is_more = hits.len() > limit;
        hits.truncate(limit);
        let last = hits.last().filter(|_| is_more);
        Ok(Page {
            next: last.zip(newest).map(|(hit, newest)| Best {
                newest,
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
