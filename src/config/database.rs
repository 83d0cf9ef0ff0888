//! `database`: Postgres.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

/// `database`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// A connection URL, or `embedded`.
    pub url: DatabaseUrl,
    /// A URL around a transaction pooler, for migrations and LISTEN.
    #[serde(default)]
    pub direct_url: Option<SecretString>,
    /// Connections in the pool.
    #[serde(default = "default_pool_size")]
    pub pool_size: usize,
    /// A PEM file with the certificate authority of the server.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Where the database is.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "SecretString")]
pub enum DatabaseUrl {
    /// A private cluster under `data_dir`.
    Embedded,
    /// A server of somebody else's.
    Url(SecretString),
}

impl From<SecretString> for DatabaseUrl {
    fn from(url: SecretString) -> Self {
        use secrecy::ExposeSecret as _;
        if url.expose_secret() == "embedded" {
            Self::Embedded
        } else {
            Self::Url(url)
        }
    }
}

fn default_pool_size() -> usize {
    10
}
