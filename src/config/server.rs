//! `server`: where Tributary listens and how it is reached.

use std::net::SocketAddr;

use serde::Deserialize;
use url::Url;

/// `server`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The address to listen on.
    pub bind: SocketAddr,
    /// How the homeserver and the web app reach it.
    pub public_url: Url,
    /// Origins that browsers may call from, besides the same host.
    pub allowed_origins: Vec<String>,
    /// CIDRs of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// When set, the operator's endpoints are served only there.
    pub operator_bind: Option<SocketAddr>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 29330)),
            public_url: default_public_url(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            operator_bind: None,
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant")]
fn default_public_url() -> Url {
    "http://127.0.0.1:29330".parse().expect("a valid URL")
}
