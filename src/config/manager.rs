//! `manager`: the desktop companion's door.

use serde::Deserialize;

use super::ApiKeys;

/// `manager`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Manager {
    /// The key that the companion sends; it ships in a desktop program, so it proves no person.
    pub api_key: ApiKeys,
    /// Whether the companion has to prove the Matrix id it reports.
    pub ownership_proof: OwnershipProof,
}

/// How a reported Matrix id is proven.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnershipProof {
    /// By a Matrix OpenID token of the configured homeserver.
    #[default]
    Required,
    /// Not at all; loopback only.
    Trusted,
}
