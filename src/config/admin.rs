//! `admin`: the operator's door.

use serde::{Deserialize, Serialize};

use super::{
    ApiKeys, Server,
    error::Report,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[Key::new("api_key", Kind::Secrets)];

/// `admin`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The key of the admin endpoints; without one they are closed.
    pub api_key: ApiKeys,
}

impl Admin {
    pub(super) fn check(&self, server: &Server, report: &mut Report) {
        self.api_key.check("admin.api_key", server, report);
    }
}
