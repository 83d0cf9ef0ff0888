//! Tributary as `tributary run` serves it, with linked customers and their rooms.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context as _, anyhow};
use diesel_async::{AsyncConnection as _, RunQueryDsl as _};
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tributary::{
    config::Config,
    db::{self, Database, rooms::Resolution},
    ingest,
    lifecycle::{self, Urls},
    matrix::{bridges::Bridges, registration::Registration},
    model::{new_id, portal::Portal},
};

use crate::events::{Chat, Shape};

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
const BOT: &str = "@facebookbot:lab.local";

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

async fn populate(db: &Database, bridges: &Bridges, shape: Shape) -> anyhow::Result<()> {
    for number in 0..shape.customers {
        link(db, number).await?;
    }
    for chat in shape.chats() {
        map(db, bridges, &chat).await?;
    }
    Ok(())
}

async fn link(db: &Database, number: usize) -> anyhow::Result<()> {
    diesel::sql_query(
        "INSERT INTO tributary.messenger_connections
             (id, user_id, bridge_id, matrix_user_id, bridge_user_id, status, linked_at)
         VALUES ($1, $2, 'meta', $3, $4, 'CONNECTED', now())",
    )
    .bind::<diesel::sql_types::Uuid, _>(new_id())
    .bind::<diesel::sql_types::Text, _>(format!("user_{number}"))
    .bind::<diesel::sql_types::Text, _>(Shape::customer(number))
    .bind::<diesel::sql_types::Text, _>(number.to_string())
    .execute(&mut db.get().await?)
    .await
    .context("a customer could not be linked")?;
    Ok(())
}

/// Leaves a room as discovery would: resolved, its members known, mapped.
async fn map(db: &Database, bridges: &Bridges, chat: &Chat) -> anyhow::Result<()> {
    let portal = Portal {
        protocol_id: "facebookgo".into(),
        channel_id: chat.remote_id.clone(),
        receiver: chat.customer.clone(),
        room_type_v2: Some("dm".into()),
        room_type: Some("dm".into()),
    };
    let members: Vec<_> = [chat.customer.as_str(), chat.ghost.as_str(), BOT]
        .map(|user_id| (user_id.to_owned(), "join".to_owned()))
        .into();
    let rooms = [chat.room_id.clone()];
    let resolution = Resolution::Portal {
        bridge_id: "meta",
        portal: &portal,
        created_ts: Some(1),
    };
    let mut conn = db.get().await?;
    conn.transaction(async |conn| {
        db::rooms::lock(conn, &rooms).await?;
        db::rooms::resolve(conn, &chat.room_id, &resolution).await?;
        db::members::replace(conn, &chat.room_id, &members).await?;
        ingest::map_rooms(conn, bridges, &rooms).await
    })
    .await
    .context("a room could not be mapped")?;
    Ok(())
}
