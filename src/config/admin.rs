//! `admin`: the operator's door.

use serde::Deserialize;

use super::ApiKeys;

/// `admin`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Admin {
    /// The key of the admin endpoints; without one they are closed.
    pub api_key: ApiKeys,
}
