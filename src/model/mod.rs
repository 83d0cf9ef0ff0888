//! Values without I/O.

pub mod analytics;
pub mod audit;
pub mod backfill;
pub mod change;
pub mod connection;
pub mod conversation;
pub mod dead_letter;
pub mod ephemeral;
pub mod erasure;
pub mod export;
pub mod frame;
pub mod incoming;
pub mod media;
pub mod message;
pub mod participant;
pub mod portal;
pub mod room;
pub mod search;
pub mod time;
pub mod transient;
pub(crate) mod words;

use uuid::Uuid;

/// A new id: a `UUIDv7`, so that ids of one table sort by their making.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place where ids are made"
)]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
