//! A database that is made for a bench and dropped after it.

use anyhow::Context as _;
use secrecy::SecretString;
use tokio_postgres::{Client, NoTls};
use url::Url;

const ADMIN_URL: &str = "TRIBUTARY_TEST_POSTGRES";

/// A database of its own.
pub(crate) struct Scratch {
    name: String,
    url: SecretString,
}

impl Scratch {
    pub(crate) async fn create() -> anyhow::Result<Self> {
        let name = format!("tributary_bench_{}", tributary::model::new_id().simple());
        let mut url = admin_url()?;
        admin()
            .await?
            .batch_execute(&format!("CREATE DATABASE {name}"))
            .await?;
        url.set_path(&name);
        let url = SecretString::from(url.to_string());
        Ok(Self { name, url })
    }

    pub(crate) fn url(&self) -> &SecretString {
        &self.url
    }

    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        Ok(admin().await?.batch_execute(&sql).await?)
    }
}

/// A connection to the server's own database.
pub(crate) async fn admin() -> anyhow::Result<Client> {
    connect(admin_url()?.as_str()).await
}

/// A connection of its own.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Client> {
    let (client, driver) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(driver);
    Ok(client)
}

fn admin_url() -> anyhow::Result<Url> {
    let url = std::env::var(ADMIN_URL)
        .with_context(|| format!("{ADMIN_URL} is not set: run the bench with scripts/bench"))?;
    url.parse()
        .with_context(|| format!("{ADMIN_URL} is no URL"))
}
