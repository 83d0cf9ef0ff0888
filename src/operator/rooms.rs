//! Which rooms are taken in, and looking for what they lack.

use diesel_async::AsyncConnection as _;
use serde_json::json;

use super::{
    Error, Operator,
    backfills::{job, span},
};
use crate::{
    db::{
        self, Connection,
        admin::{
            self,
            targets::{self, Of},
        },
        audit::{self, Entry},
        backfills,
        jobs::{self, enqueue},
        rooms, walks,
    },
    ingest,
    model::room::Room,
};

/// What is to be switched; the rest stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switches {
    /// Whether the room is ingested.
    pub enabled: Option<bool>,
    /// Whether its history comes in by itself.
    pub backfill: Option<bool>,
}

/// What is looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Bridges, for rooms that nobody told of.
    pub bridges: usize,
    /// Rooms, for events that were never pushed.
    pub rooms: usize,
}

impl Operator {
    /// Switches a room. Of one that is off nothing is taken in any more, and what reads
    /// its history is called off; one that is on again gets what it missed.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] when there is no such room.
    pub async fn switch(
        &self,
        room_id: &str,
        switches: Switches,
        act: Entry<'_>,
    ) -> Result<Room, Error> {
        let mut conn = self.ingest.db.get().await?;
        let (room, heads) = conn
            .transaction::<_, Error, _>(async |conn| {
                rooms::lock(conn, &[room_id.to_owned()]).await?;
                let known = admin::rooms::get(conn, room_id).await?;
                let before = known.ok_or(Error::NotFound)?;
                let enabled = switches.enabled.unwrap_or(before.enabled);
                let backfill = switches.backfill.unwrap_or(before.backfill);
                admin::rooms::set(conn, room_id, enabled, backfill).await?;
                let called_off = before.enabled && !enabled && call_off(conn, room_id).await?;
                self.catch_up(conn, &before, enabled, backfill).await?;
                let details = json!({"enabled": enabled, "backfill": backfill});
                audit::insert(conn, &Entry { details, ..act }).await?;
                let now = admin::rooms::get(conn, room_id).await?;
                let room = now.ok_or(Error::NotFound)?;
                let heads = if called_off {
                    ingest::tell_backfill(conn, room_id).await?
                } else {
                    Vec::new()
                };
                Ok((room, heads))
            })
            .await?;
        self.ingest.feed.advance(&heads);
        self.ingest.jobs.notify_one();
        Ok(room)
    }

    /// Queues what brings in that which passed a room by until now.
    async fn catch_up(
        &self,
        conn: &mut Connection,
        before: &Room,
        enabled: bool,
        backfill: bool,
    ) -> db::Result<()> {
        let room_id = &before.room_id;
        let was_filled = before.enabled && before.backfill;
        let is_filled = enabled && backfill;
        if before.conversation_id.is_none() || !enabled {
            return Ok(());
        }
        let mut jobs = Vec::new();
        if !before.enabled {
            // Names and members may be others now, and history has a gap.
            jobs.push(job("discover", room_id));
            walks::forget(conn, std::slice::from_ref(room_id)).await?;
        }
        if !before.enabled || !was_filled && is_filled {
            jobs.push(job("reconcile", room_id));
        }
        enqueue(conn, &jobs).await?;
        // Of a room that was off discovery queues it, when it knows who has left.
        if before.enabled && !was_filled && is_filled {
            let span = span(self.backfill.days, self.backfill.max_messages);
            backfills::enqueue(conn, std::slice::from_ref(room_id), &span).await?;
        }
        Ok(())
    }

    /// Queues what finds rooms that nobody told of and events that were never pushed.
    ///
    /// # Errors
    ///
    /// When the database cannot.
    pub async fn reconcile(&self, act: Entry<'_>) -> Result<Looked, Error> {
        let mut conn = self.ingest.db.get().await?;
        let looked = conn
            .transaction::<_, Error, _>(async |conn| self.look(conn, act).await)
            .await?;
        self.ingest.jobs.notify_one();
        Ok(looked)
    }

    async fn look(&self, conn: &mut Connection, act: Entry<'_>) -> Result<Looked, Error> {
        let by_itself = Of {
            by_itself: true,
            ..Of::default()
        };
        let rooms = targets::rooms(conn, by_itself).await?;
        let bridges = self.ingest.bridges.iter();
        let mut jobs: Vec<_> = bridges
            .map(|bridge| job("discover_bridge", &bridge.id))
            .collect();
        let looked = Looked {
            bridges: jobs.len(),
            rooms: rooms.len(),
        };
        jobs.extend(rooms.iter().map(|room_id| job("reconcile", room_id)));
        enqueue(conn, &jobs).await?;
        let details = json!({"bridges": looked.bridges, "rooms": looked.rooms});
        audit::insert(conn, &Entry { details, ..act }).await?;
        Ok(looked)
    }
}

/// Calls off what reads a room's history; whether a backfill was among it.
async fn call_off(conn: &Connection, room_id: &str) -> db::Result<bool> {
    let kinds = ["backfill", "reconcile"];
    let called_off = jobs::call_off(conn, &kinds, &[room_id.to_owned()], "disabled").await?;
    Ok(called_off.iter().any(|kind| kind == "backfill"))
}
