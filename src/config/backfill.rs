//! `backfill`: how much history is fetched.

use serde::{Deserialize, Serialize};

use super::schema::{Key, Kind};

/// A hundred years.
pub const MOST_DAYS: u32 = 36_500;
/// As many as are counted.
pub const MOST_MESSAGES: u32 = u32::MAX;

pub(super) const KEYS: &[Key] = &[
    Key::new("days", Kind::Number(1, MOST_DAYS as u64)),
    Key::new("max_messages", Kind::Number(1, MOST_MESSAGES as u64)),
    Key::new("page_size", Kind::Number(1, 1000)),
    Key::new("concurrent_rooms", Kind::Number(1, 64)),
    Key::new("on_connect", Kind::Flag),
];

/// `backfill`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// How many days back, from the time of the request.
    pub days: u32,
    /// At most so many messages a room; reactions, edits and state do not count.
    pub max_messages: u32,
    /// Events asked for at once; the homeserver gives at most 1000.
    pub page_size: u32,
    /// Rooms filled at once.
    pub concurrent_rooms: usize,
    /// Whether the rooms of a new link are filled without being asked.
    pub on_connect: bool,
}

impl Default for Backfill {
    fn default() -> Self {
        Self {
            days: 30,
            max_messages: 5000,
            page_size: 500,
            concurrent_rooms: 4,
            on_connect: true,
        }
    }
}
