//! Who gets which frame, and who is told: between ingest and the sockets.
//!
//! A stream is rows in Postgres. What is here only says, fast, that there are
//! new ones: to this replica's sockets directly, to other replicas by NOTIFY,
//! and to everybody by a poll each second, which is the floor that is enough.

pub mod cursor;
mod feed;
mod inbox;
mod relay;
mod rendered;

pub use self::{
    feed::{AtHand, Feed, MOST_AT_HAND, Subscription},
    inbox::Inbox,
    relay::Relay,
    rendered::{Fresh, Rendered},
};
