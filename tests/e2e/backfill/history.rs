//! The kept history, and the link of the customer whose it is.

use std::{collections::HashMap, time::Duration};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    shown::{self, Line},
    synapse::{Walk, walk},
    tables::Tables,
};
use crate::{
    people::Customer,
    stack::{MatrixUser, Stack},
};

/// How long the whole of it may take on a machine that is busy with other things.
pub(super) const PATIENCE: Duration = Duration::from_mins(10);

/// Rooms that Tributary fills at a time, and a plain walk reads.
const AT_ONCE: usize = 4;

/// Rooms full of messages, all of one customer.
pub(super) struct History {
    pub(super) customer: Customer,
    pub(super) rooms: Vec<String>,
}

/// How long the parts of a link took.
pub(super) struct Times {
    pub(super) first_readable: Duration,
    pub(super) all_listed: Duration,
    pub(super) filled: Duration,
}

impl History {
    /// What the stack was begun with; for a Clerk user of its own.
    pub(super) fn of(stack: &Stack) -> Self {
        let kept = stack
            .facts()
            .get("history")
            .expect("the stack has no history: make it with --with-history");
        let text = |pointer: &str| kept.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        let rooms = kept["rooms"].as_array().unwrap().iter();
        Self {
            customer: Customer {
                clerk: format!("user_paula{}", tributary::model::new_id().simple()),
                remote_id: text("/customer/remoteId"),
                user: MatrixUser {
                    user_id: text("/customer/userId"),
                    access_token: text("/customer/accessToken"),
                },
            },
            rooms: rooms
                .map(|room| room["roomId"].as_str().unwrap().to_owned())
                .collect(),
        }
    }

    /// Links the customer, and does not wait for anything.
    pub(super) async fn link(&self, stack: &Stack) {
        let Customer {
            clerk,
            remote_id,
            user,
        } = &self.customer;
        stack.link(clerk, user, remote_id).await;
    }

    /// Links the customer and waits until all is there.
    pub(super) async fn link_and_wait(&self, stack: &Stack) -> Times {
        let begun = Instant::now();
        self.link(stack).await;
        let session = stack.session(&self.customer.clerk);
        stack
            .within(PATIENCE, "a conversation can be read", async || {
                let all = session.get_all("/api/conversations").await;
                all.iter()
                    .any(|c| c["lastMessage"].is_object())
                    .then_some(())
            })
            .await;
        let first_readable = begun.elapsed();
        stack
            .within(PATIENCE, "all conversations are listed", async || {
                let all = session.get_all("/api/conversations").await;
                (all.len() == self.rooms.len()).then_some(())
            })
            .await;
        let all_listed = begun.elapsed();
        self.filled(stack).await;
        Times {
            first_readable,
            all_listed,
            filled: begun.elapsed(),
        }
    }

    /// Waits until the history of every room is there.
    pub(super) async fn filled(&self, stack: &Stack) {
        let tables = Tables::of(stack).await;
        stack
            .within(PATIENCE, "the history is there", async || {
                let jobs = tables.backfills().await;
                let done = |room: &String| {
                    let job = jobs.iter().find(|job| job.room_id == *room);
                    job.is_some_and(|job| job.state == "done")
                };
                self.rooms.iter().all(done).then_some(())
            })
            .await;
    }

    /// What the homeserver has of all rooms, read as Tributary reads it.
    pub(super) async fn walk(&self, stack: &Stack, page_size: u32) -> HashMap<String, Walk> {
        self.walk_back(stack, page_size, usize::MAX).await
    }

    /// The same, no further back than to that many events of each room.
    pub(super) async fn walk_back(
        &self,
        stack: &Stack,
        page_size: u32,
        events: usize,
    ) -> HashMap<String, Walk> {
        let rooms = stream::iter(self.rooms.iter().cloned());
        rooms
            .map(async |room| {
                let walk = walk(stack, &room, page_size, events).await;
                (room, walk)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await
    }

    /// Checks that what is shown of the rooms that were walked is what the homeserver
    /// has, down to that many messages in each.
    pub(super) async fn assert_shown(
        &self,
        stack: &Stack,
        walks: &HashMap<String, Walk>,
        messages: usize,
    ) {
        let shown = shown::some(stack, &self.customer, |room| walks.contains_key(room)).await;
        assert_eq!(shown.len(), walks.len());
        for (room, walk) in walks {
            let expected = shown::expected(&walk.events, messages);
            assert_same(room, &shown[room], &expected);
        }
    }
}

/// Compares line by line, since a whole room is too much to read.
pub(super) fn assert_same(room: &str, shown: &[Line], expected: &[Line]) {
    for (shown, expected) in shown.iter().zip(expected) {
        assert_eq!(shown, expected, "in {room}");
    }
    assert_eq!(shown.len(), expected.len(), "in {room}");
}

/// Events of a type.
pub(super) fn count(walks: &HashMap<String, Walk>, kind: &str) -> usize {
    let events = walks.values().flat_map(|walk| &walk.events);
    events
        .filter(|event: &&Value| event["type"] == kind)
        .count()
}
