//! The configured database, started first if it is the embedded one.

use anyhow::Context as _;
use secrecy::SecretString;

use crate::{
    config::{Config, DatabaseUrl},
    db::embedded::Embedded,
};

/// Where the database is, while the command runs.
pub(super) struct Postgres {
    url: SecretString,
    direct_url: Option<SecretString>,
    embedded: Option<Embedded>,
}

impl Postgres {
    /// Starts the embedded cluster, or takes the configured URLs as they are.
    pub(super) async fn open(config: &Config) -> anyhow::Result<Self> {
        match &config.database.url {
            DatabaseUrl::Url(url) => Ok(Self {
                url: config.database.with_ca(url),
                direct_url: config
                    .database
                    .direct_url
                    .as_ref()
                    .map(|url| config.database.with_ca(url)),
                embedded: None,
            }),
            DatabaseUrl::Embedded => {
                let embedded = Embedded::start(&config.data_dir)
                    .await
                    .context("the embedded Postgres cannot be started")?;
                Ok(Self {
                    url: embedded.url().clone(),
                    direct_url: None,
                    embedded: Some(embedded),
                })
            }
        }
    }

    /// For everything that a transaction pooler can carry.
    pub(super) fn url(&self) -> &SecretString {
        &self.url
    }

    /// The one around the pooler, if there is one.
    pub(super) fn own_direct_url(&self) -> Option<&SecretString> {
        self.direct_url.as_ref()
    }

    /// For migrations and `LISTEN`, which need a session.
    pub(super) fn direct_url(&self) -> &SecretString {
        self.direct_url.as_ref().unwrap_or(&self.url)
    }

    /// Stops the embedded cluster, once the last connection is given back.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        if let Some(embedded) = self.embedded {
            embedded
                .stop()
                .await
                .context("the embedded Postgres cannot be stopped")?;
        }
        Ok(())
    }
}
