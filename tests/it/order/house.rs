//! A database in which many histories happen, one after the other.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use diesel::sql_types::{Array, Text};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _, SimpleAsyncConnection as _};
use serde_json::value::RawValue;
use tributary::ingest::{self, Batch};

use super::{
    arrival::{Delivery, Which},
    event::{BOT, SENDERS, TAG},
    history::{History, ROOMS},
};
use crate::support::world::World;

/// It is about order, not about durability.
const HASTY: &str = "SET synchronous_commit = off; DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";

/// What the histories leave behind: everything but the customers.
const CLEAR: &str =
    "TRUNCATE tributary.rooms, tributary.conversations, tributary.media, tributary.messages,
    tributary.dead_letters, tributary.transactions, tributary.jobs, tributary.outbox CASCADE";

/// What was stored at least once: a test of nothing passes too easily.
pub(super) const WITNESSES: [&str; 9] = [
    "messages WHERE deleted_at IS NULL AND edit_event_id IS NOT NULL",
    "messages WHERE deleted_at IS NOT NULL",
    "messages WHERE metadata -> 'reactions' -> 0 IS NOT NULL",
    "message_versions WHERE content IS NULL",
    "attachments WHERE event_id <> target_event_id",
    "dead_letters",
    "participants WHERE is_service AND matrix_user_id LIKE '@facebook!_%' ESCAPE '!'",
    "conversations WHERE avatar_media_id IS NOT NULL",
    "state_events WHERE content = '{}'",
];

/// The database, and what makes every name in it new.
pub(super) struct House {
    pub(super) world: World,
    names: AtomicUsize,
}

/// A copy of some histories: what an arrival of them makes.
#[derive(Debug)]
pub(super) struct Copies {
    /// The name of each history's copy.
    pub(super) tags: Vec<String>,
}

impl House {
    pub(super) async fn new() -> Arc<Self> {
        let world = World::new().await;
        let mut conn = world.db.get().await.unwrap();
        conn.batch_execute(HASTY).await.unwrap();
        drop(conn);
        world.customer("alice", "1001").await;
        world.customer("bob", "1002").await;
        let names = AtomicUsize::new(0);
        Arc::new(Self { world, names })
    }

    /// Makes the portals of copies of histories: some with two customers, one a direct chat.
    pub(super) async fn copies(&self, histories: usize, of_each: usize) -> Vec<Copies> {
        let names = || self.names.fetch_add(1, Ordering::Relaxed);
        let copies: Vec<_> = (0..of_each)
            .map(|_| Copies {
                // Of one length, so that the order of names does not depend on them.
                tags: (0..histories)
                    .map(|_| format!("copy{:08}", names()))
                    .collect(),
            })
            .collect();
        let tags = copies.iter().flat_map(|copies| &copies.tags);
        let rooms: Vec<_> = tags
            .flat_map(|tag| (0..ROOMS).map(move |room| format!("!{room}-{tag}")))
            .collect();
        self.portals(&rooms).await;
        copies
    }

    async fn portals(&self, rooms: &[String]) {
        let mut conn = self.world.db.get().await.unwrap();
        conn.transaction(async |conn| {
            diesel::sql_query(
                "INSERT INTO tributary.rooms (room_id, kind, bridge_id, protocol_id, channel_id,
                     room_type_v2, created_ts, resolved_at)
                 SELECT id, 'portal', 'meta', 'facebookgo', id, CASE WHEN id LIKE '!1-%' THEN 'dm' END, 1, now()
                 FROM unnest($1::text[]) AS id",
            )
            .bind::<Array<Text>, _>(rooms)
            .execute(conn)
            .await?;
            diesel::sql_query(
                "INSERT INTO tributary.room_members (room_id, user_id, membership)
                 SELECT id, user_id, 'join' FROM unnest($1::text[]) AS id, unnest($2::text[]) AS user_id
                 WHERE user_id <> '@bob:lab.local' OR id LIKE '!0-%'",
            )
            .bind::<Array<Text>, _>(rooms)
            .bind::<Array<Text>, _>([BOT, SENDERS[0], SENDERS[2], "@bob:lab.local"].as_slice())
            .execute(conn)
            .await?;
            ingest::map_rooms(conn, &self.world.ingest.bridges, rooms).await
        })
        .await
        .unwrap();
    }

    /// Lets a delivery arrive.
    pub(super) async fn deliver(
        &self,
        histories: &[History],
        copies: &Copies,
        delivery: &Delivery,
    ) -> Result<(), String> {
        let json = |(history, at): &Which| {
            let event = &histories[*history].events[*at];
            event.json.replace(TAG, &copies.tags[*history])
        };
        let events: Vec<_> = delivery.events().iter().map(json).collect();
        match delivery {
            Delivery::Push(_) => self.push(&events).await,
            Delivery::Page(of) => {
                let (history, at) = of[0];
                let room = histories[history].events[at].room;
                self.page(&format!("!{room}-{}", copies.tags[history]), events)
                    .await
            }
        }
    }

    async fn push(&self, events: &[String]) -> Result<(), String> {
        let body = format!("{{\"events\":[{}]}}", events.join(","));
        let id = self.names.fetch_add(1, Ordering::Relaxed).to_string();
        let pushed = self.world.ingest.transaction(&id, body.as_bytes()).await;
        pushed.map_err(|error| error.to_string())
    }

    async fn page(&self, room_id: &str, events: Vec<String>) -> Result<(), String> {
        let ingest = &self.world.ingest;
        let now = ingest.clock.now();
        let mut batch = Batch::default();
        for event in events {
            let raw = RawValue::from_string(event).unwrap();
            batch.decode(&raw, Some(room_id), now);
        }
        let mut conn = ingest.db.get().await.unwrap();
        let prepared = conn.prepare().await.unwrap();
        let stored = conn.transaction(async |conn| {
            ingest::store_page(conn, prepared, &ingest.bridges, room_id, batch, |_| {
                Vec::new()
            })
            .await
        });
        let stored: Result<_, diesel::result::Error> = stored.await;
        stored.map(drop).map_err(|error| error.to_string())
    }

    /// Which of what the histories are to bring is there.
    pub(super) async fn witnesses(&self) -> BTreeSet<&'static str> {
        let mut seen = BTreeSet::new();
        for witness in WITNESSES {
            let sql = format!("SELECT count(*) FROM tributary.{witness}");
            if self.world.count(&sql).await > 0 {
                seen.insert(witness);
            }
        }
        seen
    }

    /// Makes the database small again.
    pub(super) async fn clear(&self) {
        let mut conn = self.world.db.get().await.unwrap();
        conn.batch_execute(CLEAR).await.unwrap();
    }
}
