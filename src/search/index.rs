//! Puts messages into the index, shortly after they were stored.
//!
//! Not in the transaction that stores them: what the words of a message cost is more than
//! all the rest of it, and the homeserver waits for the rest. Until then a search finds
//! messages if they are among the newest, which it reads as they are.

use std::collections::BTreeSet;

use diesel_async::AsyncConnection as _;
use uuid::Uuid;

use super::{MOST_CHARACTERS, words::terms};
use crate::db::{
    self, Database,
    search::{self, Entry, Texts},
};

/// The version of the rules for words: with another one the index is made anew.
pub const VERSION: i32 = 1;

/// Messages of one transaction.
const AT_ONCE: i64 = 500;

/// Puts what is queued into the index, and what it never had, a batch of it. Returns whether
/// there may be more at once: a few messages a second are cheaper together. Another replica
/// may be doing it.
///
/// # Errors
///
/// When the database is not there or a statement fails; nothing is lost then.
pub async fn step(db: &Database) -> Result<bool, db::Error> {
    let mut conn = db.get().await?;
    let step = conn.transaction(async |conn| {
        if !search::take_turn(conn).await? {
            return Ok(false);
        }
        let mut taken = search::take_queued(conn, AT_ONCE).await?;
        let room = AT_ONCE - i64::try_from(taken.len()).unwrap_or(AT_ONCE);
        if room > 0 {
            taken.extend(search::take_old(conn, VERSION, room).await?);
        }
        let may_be_more = i64::try_from(taken.len()).unwrap_or(AT_ONCE) >= AT_ONCE;
        let ids: BTreeSet<Uuid> = taken.into_iter().collect();
        let ids: Vec<_> = ids.into_iter().collect();
        if ids.is_empty() {
            return Ok(false);
        }
        let texts = search::texts(conn, &ids, MOST_CHARACTERS).await?;
        let entries: Vec<_> = texts.iter().map(entry).collect();
        search::put(conn, &entries).await?;
        Ok::<_, db::QueryError>(may_be_more)
    });
    Ok(step.await?)
}

fn entry(message: &Texts) -> Entry {
    let all: BTreeSet<_> = message.texts.iter().flat_map(|text| terms(text)).collect();
    Entry {
        id: message.id,
        terms: all.into_iter().collect::<Vec<_>>().join(" "),
    }
}
