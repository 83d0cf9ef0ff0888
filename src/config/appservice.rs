//! `appservice`: the registration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::schema::{Key, Kind};

pub(super) const KEYS: &[Key] = &[
    Key::new("registration", Kind::Path),
    Key::new("legacy_query_auth", Kind::Flag),
];

/// `appservice`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Appservice {
    /// The registration file that the homeserver loads too.
    pub registration: PathBuf,
    /// Whether `?access_token=` is accepted beside the header, for homeservers older than
    /// Matrix 1.4.
    pub legacy_query_auth: bool,
}

impl Default for Appservice {
    fn default() -> Self {
        Self {
            registration: PathBuf::from("registration.yaml"),
            legacy_query_auth: false,
        }
    }
}
