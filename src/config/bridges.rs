//! `bridges`: whose portals are ingested.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// One bridge.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The name it has in Tributary's own API.
    pub id: String,
    /// The network it bridges, as conversations show it.
    pub network: String,
    /// The Matrix id of its bot.
    pub bot: String,
    /// A regular expression over whole Matrix ids with a group named `id`, the remote id.
    pub ghosts: String,
    /// The bridge's own `as_token`, with which it pushes its states.
    #[serde(default)]
    pub as_token: Option<SecretString>,
    /// The base URL of its provisioning API.
    #[serde(default)]
    pub provisioning_url: Option<Url>,
    /// The shared secret of its provisioning API.
    #[serde(default)]
    pub provisioning_secret: Option<SecretString>,
}
