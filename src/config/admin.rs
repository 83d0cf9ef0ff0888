//! `admin`: the operator's door.

use serde::{Deserialize, Serialize};

use super::{
    ApiKeys, Server,
    error::Report,
    schema::{Key, Kind},
};

pub(super) const KEYS: &[Key] = &[
    Key::new("api_key", Kind::Secrets),
    Key::new("audit_days", Kind::Number(1, 36_500)),
];

/// `admin`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The key of the admin endpoints; without one they are closed.
    pub api_key: ApiKeys,
    /// How many days who did what is kept.
    pub audit_days: u32,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            api_key: ApiKeys::default(),
            audit_days: 365,
        }
    }
}

impl Admin {
    pub(super) fn check(&self, server: &Server, report: &mut Report) {
        self.api_key.check("admin.api_key", server, report);
    }
}
