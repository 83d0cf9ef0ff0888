//! What passes without being an event: typing goes to the sockets, receipts move
//! their owner's read marker.

use std::collections::{BTreeSet, HashMap};

use diesel::QueryResult;
use serde_json::value::RawValue;

use super::{Ingest, reads};
use crate::{
    db::{Connection, receipts, rooms::Room, viewers},
    matrix::{bridges::Bridges, ephemeral},
    model::{
        ephemeral::{Ephemeral, Receipt},
        frame::{Frame, FrameKind},
    },
};

/// The ephemeral parts of a push.
#[derive(Debug, Default)]
pub struct Passing {
    parts: Vec<Ephemeral>,
}

impl Passing {
    /// Reads the parts that Tributary understands.
    #[must_use]
    pub fn decode(raw: &[&RawValue]) -> Self {
        Self {
            parts: raw
                .iter()
                .flat_map(|part| ephemeral::decode(part))
                .collect(),
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn receipts(&self) -> impl Iterator<Item = &Receipt> {
        self.parts.iter().filter_map(|part| match part {
            Ephemeral::Receipt(receipt) => Some(receipt),
            Ephemeral::Typing { .. } => None,
        })
    }

    /// The rooms of its receipts, sorted.
    pub(super) fn rooms(&self) -> BTreeSet<String> {
        self.receipts().map(|r| r.room_id.clone()).collect()
    }

    /// Keeps the receipts of mapped rooms and moves their owners' read markers;
    /// returns the frames for those whose unread count changed. The caller has
    /// locked the rooms, and `known` since.
    ///
    /// # Errors
    ///
    /// When a statement fails.
    pub async fn store(
        &self,
        conn: &mut Connection,
        bridges: &Bridges,
        known: &HashMap<String, Room>,
    ) -> QueryResult<Vec<Frame>> {
        let of_mapped: Vec<_> = self
            .receipts()
            // Who has read one thread has not read the conversation.
            .filter(|r| !r.in_thread)
            .filter(|r| known.get(&r.room_id).is_some_and(Room::is_ingested))
            .cloned()
            .collect();
        if of_mapped.is_empty() {
            return Ok(Vec::new());
        }
        let moved = receipts::upsert(conn, &of_mapped).await?;
        let rooms: Vec<_> = moved.iter().map(|m| m.room_id.as_str()).collect();
        let events: Vec<_> = moved.iter().map(|m| m.event_id.as_str()).collect();
        let places = receipts::places(conn, &rooms, &events).await?;
        let mut reads = Vec::new();
        for receipt in &moved {
            let targets = places
                .iter()
                .filter(|p| (&p.room_id, &p.event_id) == (&receipt.room_id, &receipt.event_id));
            for place in targets {
                let receipt = reads::Receipt {
                    room_id: &receipt.room_id,
                    user_id: &receipt.user_id,
                    event_id: &receipt.event_id,
                    at: place.at,
                };
                reads.extend(reads::of(&receipt, known, bridges));
            }
        }
        let changed = viewers::read_through(conn, &reads).await?;
        Ok(changed
            .into_iter()
            .map(|view| Frame {
                user_id: view.user_id,
                kind: FrameKind::ConversationUpdated {
                    conversation_id: view.conversation_id,
                },
            })
            .collect())
    }
}

impl Ingest {
    /// Hands typing and receipts to the sockets of whoever may see them. They are
    /// worth nothing later, so a failure is logged and forgotten.
    pub(super) async fn pass_on(&self, passing: &Passing) {
        if passing.is_empty() {
            return;
        }
        if let Err(error) = self.try_pass_on(passing).await {
            tracing::warn!(%error, "typing and receipts were not passed on");
        }
    }

    async fn try_pass_on(&self, passing: &Passing) -> Result<(), crate::db::Error> {
        let mut conn = self.db.get().await?;
        let transients = crate::db::transients::resolve(&mut conn, &passing.parts).await?;
        drop(conn);
        self.feed.pass(transients);
        Ok(())
    }
}
