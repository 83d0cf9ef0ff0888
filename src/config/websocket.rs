//! `websocket`: the live stream.

use serde::{Deserialize, Serialize};

use super::schema::{Key, Kind};

pub(super) const KEYS: &[Key] = &[
    Key::new("heartbeat_seconds", Kind::Number(1, 3600)),
    Key::new("auth_grace_seconds", Kind::Number(0, 3600)),
    Key::new("max_queue", Kind::Number(1, 1_000_000)),
    Key::new("replay_days", Kind::Number(1, 3650)),
];

/// `websocket`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Websocket {
    /// Seconds between pings.
    pub heartbeat_seconds: u64,
    /// Seconds that a socket stays open, without data, after its token expired.
    pub auth_grace_seconds: u64,
    /// Frames that may wait on one socket before it counts as too slow (close 4408).
    pub max_queue: usize,
    /// Days for which a cursor can be resumed.
    pub replay_days: u32,
}

impl Default for Websocket {
    fn default() -> Self {
        Self {
            heartbeat_seconds: 25,
            auth_grace_seconds: 30,
            max_queue: 1024,
            replay_days: 7,
        }
    }
}
