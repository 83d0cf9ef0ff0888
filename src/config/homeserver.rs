//! `homeserver`: the one that Tributary belongs to.

use serde::Deserialize;
use url::Url;

/// `homeserver`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Homeserver {
    /// The base URL of its client-server API.
    pub url: Url,
    /// Its server name, the part of a Matrix id behind the colon.
    pub server_name: String,
}
