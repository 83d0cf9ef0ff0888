//! `backfill`: how much history is fetched.

use serde::Deserialize;

/// `backfill`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Backfill {
    /// How many days back.
    pub days: u32,
    /// At most so many messages a room.
    pub max_messages: u32,
    /// Events asked for at once, up to 1000.
    pub page_size: u32,
    /// Rooms filled at once.
    pub concurrent_rooms: usize,
    /// Whether a new link is filled by itself.
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
