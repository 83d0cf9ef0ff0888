//! Dead letters that can be taken in after all: by the operator, who replays one
//! after a fix, and by a page of history, which brings their events again.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncConnection as _;
use serde_json::{json, value::RawValue};
use uuid::Uuid;

use super::{Batch, Ingest, Stored, partition::partition, shown::ByViewer, store};
use crate::{
    db::{
        self, Connection, Prepared,
        audit::{self, Entry},
        dead_letters::{self, DeadLetter, Kept},
        rooms::{self, At, Room},
    },
    fold,
    matrix::decode,
    model::{
        change::Change,
        dead_letter::{Outcome, Replay},
        incoming::IncomingEvent,
    },
};

/// The letter of an event that cannot be taken in.
pub(super) fn of(
    room_id: String,
    event_id: String,
    raw: String,
    error: &'static str,
    received_at: DateTime<Utc>,
) -> DeadLetter {
    DeadLetter {
        received_at,
        about: decode::about(&raw),
        room_id,
        event_id,
        raw,
        error,
    }
}

/// What a replay came to.
#[derive(Debug)]
pub enum Replayed {
    /// There is no such letter, or not any more.
    Unknown,
    /// The event can still not be taken in; why, without any of its content. The
    /// letter stays.
    Refused(&'static str),
    /// The letter is gone.
    Taken(Replay),
}

impl Ingest {
    /// Takes the event of a dead letter in again, as if it had been pushed when the
    /// letter was written: that is what its `age` counts from. In a room in which
    /// nobody was then it is treated as a push would be there, and the letter
    /// goes, readable or not: it is content that nobody may keep. `act` is
    /// committed with what it did.
    ///
    /// # Errors
    ///
    /// When a statement fails; nothing is changed then.
    pub async fn replay(&self, id: Uuid, act: Entry<'_>) -> Result<Replayed, db::Error> {
        let mut conn = self.db.get().await?;
        let Some(room_id) = dead_letters::room_of(&conn, id).await? else {
            return Ok(Replayed::Unknown);
        };
        let prepared = conn.prepare().await?;
        let (replayed, stored) = conn
            .transaction(async |conn| self.take(conn, prepared, id, room_id, act).await)
            .await?;
        self.announce(&stored);
        Ok(replayed)
    }

    async fn take(
        &self,
        conn: &mut Connection,
        prepared: Prepared,
        id: Uuid,
        room_id: String,
        act: Entry<'_>,
    ) -> QueryResult<(Replayed, Stored)> {
        let known = rooms::lock_and_load(conn, std::slice::from_ref(&room_id)).await?;
        let Some(letter) = dead_letters::lock(conn, id).await? else {
            return Ok((Replayed::Unknown, Stored::default()));
        };
        let is_held = known
            .get(&room_id)
            .is_some_and(|room| room.takes(At::receipt(letter.created_at)));
        let (outcome, stored) = match read(&letter, &room_id) {
            Ok((event, facts)) => {
                self.store_again(conn, prepared, event, &facts, known)
                    .await?
            }
            Err(reason) if is_held => {
                return Ok((Replayed::Refused(reason), Stored::default()));
            }
            Err(_) => (Outcome::Ignored, Stored::default()),
        };
        let event_id = letter.event_id;
        dead_letters::remove(
            conn,
            std::slice::from_ref(&room_id),
            std::slice::from_ref(&event_id),
        )
        .await?;
        let details = json!({"roomId": room_id, "eventId": event_id, "outcome": outcome});
        audit::insert(conn, &Entry { details, ..act }).await?;
        let replay = Replay {
            id,
            room_id,
            event_id,
            outcome,
        };
        Ok((Replayed::Taken(replay), stored))
    }

    async fn store_again(
        &self,
        conn: &mut Connection,
        prepared: Prepared,
        event: IncomingEvent,
        facts: &[Change],
        known: HashMap<String, Room>,
    ) -> QueryResult<(Outcome, Stored)> {
        let parts = partition(vec![event.clone()], &known);
        let is_taken = !(parts.folded.is_empty() && parts.redactions.is_empty());
        let room = known.get(&event.room_id).filter(|_| is_taken);
        let is_kept = room.is_some_and(|room| facts.iter().any(|fact| is_kept(fact, room)));
        let batch = Batch {
            events: vec![event],
            ..Batch::default()
        };
        let stored = store(
            conn,
            prepared,
            &self.bridges,
            batch,
            known,
            Vec::new(),
            async |_, _| Ok(ByViewer::none()),
        )
        .await?;
        let outcome = if is_kept {
            Outcome::Stored
        } else {
            Outcome::Ignored
        };
        Ok((outcome, stored))
    }
}

/// The event of a letter and what it changes, or what is still wrong with it.
fn read(letter: &Kept, room_id: &str) -> Result<(IncomingEvent, Vec<Change>), &'static str> {
    let raw: &RawValue = serde_json::from_str(&letter.raw).map_err(|_| "not JSON")?;
    let event = decode::decode(raw, Some(room_id), letter.created_at).map_err(|no| no.reason)?;
    if event.room_id != room_id || event.event_id != letter.event_id {
        // Only the room that it came from is locked, and known to be somebody's.
        return Err("it names another room or event than the letter");
    }
    let facts = fold::fold(&event).map_err(|no| no.0)?;
    Ok((event, facts))
}

/// Whether a fact of an event in a room is kept: what is said, not when it was
/// received while nobody was there who may see it.
fn is_kept(fact: &Change, room: &Room) -> bool {
    let at = match fact {
        Change::Message(message) => At::new(message.received_at, message.origin_server_ts),
        Change::Edit(edit) => At::new(edit.received_at, edit.origin_server_ts),
        Change::Reaction(reaction) => At::new(reaction.received_at, reaction.origin_server_ts),
        Change::State(_) | Change::Redaction(_) => return true,
    };
    let mut grants = room.grants.iter();
    grants.any(|grant| grant.covers(at))
}

/// Removes the letters of those events of a page of a room's history that fold now.
/// The caller holds the room's lock and stores the page in the same transaction. It
/// is one statement while there are none; a push is spared it.
///
/// # Errors
///
/// When a statement fails.
pub(super) async fn settle(conn: &Connection, room_id: &str, page: &Batch) -> QueryResult<()> {
    let of_room = || page.events.iter().filter(|event| event.room_id == room_id);
    let event_ids: Vec<_> = of_room().map(|event| event.event_id.as_str()).collect();
    let letters = dead_letters::among(conn, room_id, &event_ids).await?;
    if letters.is_empty() {
        return Ok(());
    }
    let (room_ids, event_ids): (Vec<_>, Vec<_>) = of_room()
        .filter(|event| letters.contains(&event.event_id) && fold::fold(event).is_ok())
        .map(|event| (event.room_id.clone(), event.event_id.clone()))
        .unzip();
    let count = dead_letters::remove(conn, &room_ids, &event_ids).await?;
    tracing::info!(room_id, count, "dead letters that history made good");
    Ok(())
}
