//! Erasing what nobody holds any more, in steps that each leave everything whole.
//!
//! [`crate::accounts`] begins an erasure: it takes access away and writes down which
//! rooms are to be gone through. A step takes the locks under which pushes and pages are
//! stored, so what is in flight either comes before it, and goes, or after it, and finds
//! that nobody may see it. The request takes as many steps as it has time for, the job
//! `erase` the others; both at once only wait for each other.

use std::time::Duration;

use diesel_async::AsyncConnection as _;
use serde_json::{Map, json};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    db::{
        self, Connection,
        audit::{self, Entry},
        connection_rooms,
        erasures::{self, Counts, remnants, sweep},
        jobs::{self, NewJob},
        media::{self, objects},
        plans, rooms,
    },
    ingest::Ingest,
};

/// Messages that are looked at in one transaction, and as many rows of other kinds.
const BATCH: i64 = 5_000;

/// Takes the steps of erasures. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Erasure {
    /// What it works with.
    pub ingest: Ingest,
    /// How many messages are looked at in one transaction.
    pub batch: i64,
}

/// What goes in a step.
#[derive(Debug, Default)]
struct Gone {
    counts: Counts,
    /// What was shown by it.
    media: Vec<Uuid>,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    More,
    /// The rows are gone. The objects that they held are left in the store: the job
    /// `clear_media` deletes them.
    Wait,
    /// Everything is gone.
    Done,
}

impl Erasure {
    /// With batches that hold the rooms' locks for a fraction of a second.
    #[must_use]
    pub fn new(ingest: Ingest) -> Self {
        Self {
            ingest,
            batch: BATCH,
        }
    }

    /// The job that takes the steps for which a request has no time.
    #[must_use]
    pub fn job(id: Uuid) -> NewJob {
        NewJob {
            kind: "erase",
            key: id.to_string(),
            payload: Map::new(),
        }
    }

    /// Takes steps for so long at most. Whatever ends it, the job goes on.
    pub async fn run_for(&self, id: Uuid, time: Duration) {
        let steps = async {
            while self.take_step(id).await? == Step::More {}
            Ok::<_, db::Error>(())
        };
        match timeout(time, steps).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(erasure.id = %id, %error, "left to the job"),
            Err(_) => tracing::info!(erasure.id = %id, "it takes longer than its request"),
        }
    }

    async fn take_step(&self, id: Uuid) -> Result<Step, db::Error> {
        let mut conn = self.ingest.db.get().await?;
        Ok(conn
            .transaction(async |conn| self.step(conn, id).await)
            .await?)
    }

    /// Takes a step in the caller's transaction, which has locked nothing yet.
    ///
    /// # Errors
    ///
    /// When a statement fails; nothing of the transaction may be kept then.
    pub async fn step(&self, conn: &mut Connection, id: Uuid) -> db::Result<Step> {
        let Some(room_id) = erasures::next_room(conn, id).await? else {
            if objects::are_awaited_by(conn, id).await? {
                return Ok(Step::Wait);
            }
            self.finish(conn, id).await?;
            return Ok(Step::Done);
        };
        let beside = connection_rooms::beside(conn, &room_id).await?;
        rooms::lock(conn, &beside).await?;
        let behind_locks = connection_rooms::beside(conn, &room_id).await?;
        if behind_locks.iter().any(|room| !beside.contains(room)) {
            // The conversation has gained a room meanwhile: with its lock next time.
            return Ok(Step::More);
        }
        plans::steady(conn).await?;
        let mut gone = Gone::default();
        if self.sweep(conn, id, &room_id, &mut gone).await? {
            erasures::leave_room(conn, id, &room_id).await?;
            let pictures = sweep::conversation(conn, &room_id).await?;
            gone.media.extend(pictures);
            self.look_again(conn, room_id).await?;
        }
        // All at once: whoever else forgets some locks them in the same order.
        let forgotten = media::forget_unused(conn, &gone.media).await?;
        objects::await_by(conn, id, &forgotten.objects).await?;
        gone.counts.media = i64::try_from(forgotten.files).unwrap_or(i64::MAX);
        erasures::count(conn, id, gone.counts).await?;
        Ok(Step::More)
    }

    /// Deletes a batch of a room; whether that was the last one.
    async fn sweep(
        &self,
        conn: &mut Connection,
        id: Uuid,
        room_id: &str,
        gone: &mut Gone,
    ) -> db::Result<bool> {
        let Some(place) = erasures::place(conn, id, room_id).await? else {
            // Somebody else was faster.
            return Ok(false);
        };
        let looked = sweep::messages(conn, room_id, &place, self.batch).await?;
        gone.counts.messages = looked.gone;
        gone.media.extend(looked.media);
        if let Some(last) = looked.last.filter(|_| looked.looked >= self.batch) {
            erasures::move_place(conn, id, room_id, &last).await?;
            return Ok(false);
        }
        let relations = sweep::relations(conn, room_id, self.batch).await?;
        gone.media.extend(relations.media);
        let letters = sweep::dead_letters(conn, room_id, self.batch).await?;
        gone.counts.dead_letters = letters;
        let rest = sweep::rest(conn, room_id, self.batch).await?;
        let state = remnants::state(conn, room_id, self.batch).await?;
        let redactions = remnants::redactions(conn, room_id, self.batch).await?;
        let is_through = [relations.gone, letters, rest, state, redactions]
            .iter()
            .all(|&gone| gone < self.batch);
        if is_through {
            let pictures = remnants::people(conn, room_id).await?;
            gone.media.extend(pictures);
        }
        Ok(is_through)
    }

    /// Whoever was linked meanwhile has no access yet.
    async fn look_again(&self, conn: &mut Connection, room_id: String) -> db::Result<()> {
        let unseen = rooms::to_discover(conn, &[room_id]).await?;
        let job = |key| NewJob {
            kind: "discover",
            key,
            payload: Map::new(),
        };
        let wanted: Vec<_> = unseen.into_iter().map(job).collect();
        jobs::enqueue(conn, &wanted).await?;
        Ok(())
    }

    async fn finish(&self, conn: &mut Connection, id: Uuid) -> db::Result<()> {
        let now = self.ingest.clock.now();
        let Some(receipt) = erasures::finish(conn, id, now).await? else {
            return Ok(());
        };
        let entry = Entry {
            at: now,
            actor: "tributary",
            action: "erasure.end",
            target: Some(&id.to_string()),
            origin: None,
            outcome: "ok",
            details: json!({
                "cause": receipt.cause, "conversations": receipt.conversations,
                "messages": receipt.messages, "media": receipt.media,
                "deadLetters": receipt.dead_letters,
            }),
        };
        audit::insert(conn, &entry).await
    }
}
