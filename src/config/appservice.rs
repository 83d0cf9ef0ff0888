//! `appservice`: the registration.

use std::path::PathBuf;

use serde::Deserialize;

/// `appservice`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Appservice {
    /// The registration file, relative to the configuration file.
    pub registration: PathBuf,
    /// Whether `?access_token=` is accepted beside the header.
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
