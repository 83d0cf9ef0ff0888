//! `limits`: rate limits.

use serde::{Deserialize, Serialize};

use super::schema::{Key, Kind};

pub(super) const KEYS: &[Key] = &[
    Key::new("per_ip_per_second", Kind::Number(1, u32::MAX as u64)),
    Key::new("per_user_per_second", Kind::Number(1, u32::MAX as u64)),
    Key::new("burst", Kind::Number(1, u32::MAX as u64)),
    Key::new("sockets_per_user", Kind::Number(1, 1_000_000)),
];

/// `limits`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests per second and address.
    pub per_ip_per_second: u32,
    /// Requests per second and Clerk user.
    pub per_user_per_second: u32,
    /// How many may come at once.
    pub burst: u32,
    /// Sockets of one Clerk user on one replica; beyond it the oldest closes with 4429.
    pub sockets_per_user: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_ip_per_second: 50,
            per_user_per_second: 20,
            burst: 100,
            sockets_per_user: 20,
        }
    }
}
