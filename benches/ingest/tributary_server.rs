//! Tributary as `tributary run` serves it, with linked customers and their rooms.

use std::net::{SocketAddr, TcpListener};

use anyhow::anyhow;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary::{
    config::Config,
    db::{self, Database},
    lifecycle::{self, Urls},
    matrix::{bridges::Bridges, registration::Registration},
};

use crate::shared::{events::Shape, people::populate};

/// The homeserver's port is one that nobody listens on.
const CONFIG: &str = r#"
homeserver: { url: "http://127.0.0.1:9", server_name: lab.local }
bridges:
  - id: meta
    network: facebook
    bot: "@facebookbot:lab.local"
    ghosts: "@facebook_(?<id>.+):lab\\.local"
    as_token: the-token-of-the-bridge
database: { url: "${BENCH_DATABASE_URL}" }
clerk: { issuer: "https://example.clerk.accounts.dev" }
admin: { api_key: the-key-of-the-operator }
server: { bind: "${BENCH_BIND}" }
"#;

/// A serving Tributary.
pub(crate) struct Serving {
    address: SocketAddr,
    hs_token: SecretString,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    _folder: TempDir,
}

impl Serving {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn token(&self) -> &str {
        self.hs_token.expose_secret()
    }

    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.cancel();
        self.task.await?
    }
}

/// Migrates, fills in who is linked, and serves.
pub(crate) async fn start(url: SecretString) -> anyhow::Result<Serving> {
    let folder = tempfile::tempdir()?;
    let address = free_address()?;
    let config = configuration(&folder, address, &url)?;
    let registration = Registration::load(&config.appservice.registration)?;
    db::migrate(&url).await?;
    let bridges = Bridges::new(&config.bridges, "@tributary:lab.local".to_owned())?;
    populate(&Database::new(&url, 1)?, &bridges, Shape::default()).await?;
    let stop = CancellationToken::new();
    let urls = Urls {
        pooled: url.clone(),
        direct: url,
    };
    let task = tokio::spawn(lifecycle::serve(config, urls, stop.clone()));
    let serving = Serving {
        address,
        hs_token: registration.hs_token,
        stop,
        task,
        _folder: folder,
    };
    until_it_listens(&serving).await?;
    Ok(serving)
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

fn configuration(folder: &TempDir, bind: SocketAddr, url: &SecretString) -> anyhow::Result<Config> {
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, CONFIG)?;
    let environment = [
        ("BENCH_BIND".to_owned(), bind.to_string()),
        (
            "BENCH_DATABASE_URL".to_owned(),
            url.expose_secret().to_owned(),
        ),
    ];
    let config = Config::load(&path, environment.into_iter())?;
    let registration = Registration::generate(&config, &mut rand::rngs::OsRng)?;
    std::fs::write(&config.appservice.registration, registration.to_yaml()?)?;
    Ok(config)
}

async fn until_it_listens(serving: &Serving) -> anyhow::Result<()> {
    while !serving.task.is_finished() {
        if tokio::net::TcpStream::connect(serving.address)
            .await
            .is_ok()
        {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Err(anyhow!("it ended before it listened"))
}
