//! `websocket`: the live stream.

use serde::Deserialize;

/// `websocket`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Websocket {
    /// Seconds between pings.
    pub heartbeat_seconds: u64,
    /// Seconds that a socket stays open after its token expired.
    pub auth_grace_seconds: u64,
    /// Frames that may wait on one socket.
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
