//! `console`: the web page at `/console`.

use serde::{Deserialize, Serialize};

use super::schema::{Key, Kind};

pub(super) const KEYS: &[Key] = &[Key::new("on", Kind::Flag)];

/// `console`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Console {
    /// Whether it is served.
    pub on: bool,
}

impl Default for Console {
    fn default() -> Self {
        Self { on: true }
    }
}
