//! The program itself, in a process of its own.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tributary::{
    auth::dev,
    clock::Clock,
    config::Config,
    db::{self, Database},
    matrix::{bridges::Bridges, registration::Registration},
};

use crate::{
    honest::exchange,
    shared::{
        events::{Events, Shape},
        people::populate,
    },
};

const ISSUER: &str = "https://example.clerk.accounts.dev";
/// The key that signs sessions, as Clerk would.
const KEY: &str = include_str!("../../tests/fixtures/keys/development.pem");
/// What tells the verifier: the public half.
const PUBLIC_KEY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/keys/development.pub.pem"
);
const PATIENCE: Duration = Duration::from_secs(30);
/// The homeserver's port is one that nobody listens on.
const CONFIG: &str = r#"
homeserver: { url: "http://127.0.0.1:9", server_name: lab.local }
bridges:
  - id: meta
    network: facebook
    bot: "@facebookbot:lab.local"
    ghosts: "@facebook_(?<id>.+):lab\\.local"
database: { url: "${BENCH_DATABASE_URL}" }
clerk: { issuer: "https://example.clerk.accounts.dev", jwt_key_file: "${BENCH_KEY}" }
log: { filter: warn }
"#;

/// Which limits it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limits {
    /// Those of a configuration that does not name them.
    Default,
    /// So high that all reaches the verifier.
    Raised,
}

/// A serving Tributary.
pub(crate) struct Serving {
    address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Serving {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let ended = self.process.wait()?;
        ensure!(ended.success(), "it ended with {ended}");
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Nothing to do for one that has ended.
        let _ = self.process.kill();
    }
}

/// A session token of a user.
pub(crate) fn session(user_id: &str) -> anyhow::Result<String> {
    let key = SecretString::from(KEY);
    let (now, lifetime) = (Clock::system().now(), TimeDelta::minutes(10));
    Ok(dev::mint(&key, ISSUER, user_id, now, lifetime)?)
}

/// Migrates, fills in who is linked and what they have received, and serves.
pub(crate) async fn start(url: &SecretString, limits: Limits) -> anyhow::Result<Serving> {
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, CONFIG)?;
    let mut environment = vec![
        ("BENCH_DATABASE_URL", url.expose_secret().to_owned()),
        ("BENCH_KEY", PUBLIC_KEY.to_owned()),
        ("TRIBUTARY__SERVER__BIND", address.to_string()),
    ];
    if limits == Limits::Raised {
        for key in ["PER_IP_PER_SECOND", "PER_USER_PER_SECOND", "BURST"] {
            let name = ["TRIBUTARY__LIMITS__", key].concat();
            environment.push((name.leak(), "1000000".to_owned()));
        }
    }
    let owned = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let config = Config::load(&path, owned)?;
    let registration = Registration::generate(&config, &mut rand::rngs::OsRng)?;
    std::fs::write(&config.appservice.registration, registration.to_yaml()?)?;
    if limits == Limits::Default {
        db::migrate(url).await?;
        let bridges = Bridges::new(&config.bridges, "@tributary:lab.local".to_owned())?;
        populate(&Database::new(url, 1)?, &bridges, Shape::default()).await?;
    }
    let process = Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["run", "--config"])
        .arg(&path)
        .envs(environment)
        .stdin(Stdio::null())
        .spawn()?;
    let mut serving = Serving {
        address,
        process,
        _folder: folder,
    };
    until_it_listens(&mut serving)?;
    push(&serving, registration.hs_token.expose_secret())?;
    Ok(serving)
}

fn until_it_listens(serving: &mut Serving) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(serving.address).is_err() {
        if let Some(ended) = serving.process.try_wait()? {
            bail!("it ended with {ended}");
        }
        ensure!(Instant::now() < deadline, "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Some messages for every conversation.
fn push(serving: &Serving, hs_token: &str) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(serving.address)?;
    let mut events = Events::new(Shape::default());
    for id in 0..10 {
        let body = events.transaction(100);
        let head = format!(
            "PUT /_matrix/app/v1/transactions/{id} HTTP/1.1\r\nhost: bench\r\n\
             authorization: Bearer {hs_token}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let status = exchange(&mut stream, &[head.as_bytes(), &body].concat())?;
        ensure!(status == 200, "a transaction was answered {status}");
    }
    Ok(())
}

/// A connection from another address of this machine; blocking.
pub(crate) fn connect_from(from: Ipv4Addr, to: SocketAddr) -> anyhow::Result<TcpStream> {
    // The standard library cannot bind before it connects; and whoever asks may be in a
    // runtime, where another one cannot be.
    let connect = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((from, 0)))?;
            socket.connect(to).await?.into_std()
        })
    };
    let connected = std::thread::scope(|scope| scope.spawn(connect).join());
    let stream = connected
        .map_err(|_| anyhow!("it panicked"))?
        .context("no connection")?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}
