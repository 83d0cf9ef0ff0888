//! The program itself, in a process of its own.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tributary::{
    auth::dev,
    clock::Clock,
    config::Config,
    db::{self, Database},
    matrix::{bridges::Bridges, registration::Registration},
};

use crate::shared::{
    events::{Events, Shape},
    people::populate,
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

/// Limits so high that all reaches what is behind them.
pub(crate) const RAISED_LIMITS: &[(&str, &str)] = &[
    ("TRIBUTARY__LIMITS__PER_IP_PER_SECOND", "1000000"),
    ("TRIBUTARY__LIMITS__PER_USER_PER_SECOND", "1000000"),
    ("TRIBUTARY__LIMITS__BURST", "1000000"),
];

/// A serving Tributary.
pub(crate) struct Serving {
    address: SocketAddr,
    pub(crate) process: Child,
    hs_token: SecretString,
    pub(crate) bridges: Bridges,
    _folder: TempDir,
}

impl Serving {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn token(&self) -> &str {
        self.hs_token.expose_secret()
    }

    /// Pushes a transaction as the homeserver does, and returns when it is answered.
    pub(crate) fn push(
        &self,
        stream: &mut TcpStream,
        id: usize,
        body: &[u8],
    ) -> anyhow::Result<()> {
        let head = format!(
            "PUT /_matrix/app/v1/transactions/{id} HTTP/1.1\r\nhost: bench\r\n\
             authorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
            self.token(),
            body.len()
        );
        let status = exchange(stream, &[head.as_bytes(), body].concat())?;
        ensure!(status == 200, "a transaction was answered {status}");
        Ok(())
    }

    /// Some messages for every conversation.
    pub(crate) fn fill(&self) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        let mut events = Events::new(Shape::default());
        for id in 0..10 {
            self.push(&mut stream, id, &events.transaction(100))?;
        }
        Ok(())
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

/// Serves from a database, in which customers are linked first if it is a new one, and
/// fills it. `settings` are environment variables.
pub(crate) async fn start(
    url: &SecretString,
    settings: &[(&'static str, &str)],
) -> anyhow::Result<Serving> {
    let serving = start_empty(url, settings).await?;
    serving.fill()?;
    Ok(serving)
}

/// The same with no message yet.
pub(crate) async fn start_empty(
    url: &SecretString,
    settings: &[(&'static str, &str)],
) -> anyhow::Result<Serving> {
    let is_new = !db::migrate(url).await?.is_empty();
    let serving = serve(url, settings)?;
    if is_new {
        populate(&Database::new(url, 1)?, &serving.bridges, Shape::default()).await?;
    }
    Ok(serving)
}

/// Serves what is in a database.
pub(crate) fn serve(
    url: &SecretString,
    settings: &[(&'static str, &str)],
) -> anyhow::Result<Serving> {
    let (_, mut serving) = spawn(url, settings)?;
    until_it_listens(&mut serving)?;
    Ok(serving)
}

/// Starts the program, and says when.
pub(crate) fn spawn(
    url: &SecretString,
    settings: &[(&'static str, &str)],
) -> anyhow::Result<(Instant, Serving)> {
    let folder = tempfile::tempdir()?;
    let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, CONFIG)?;
    let mut environment = vec![
        ("BENCH_DATABASE_URL", url.expose_secret().to_owned()),
        ("BENCH_KEY", PUBLIC_KEY.to_owned()),
        ("TRIBUTARY__SERVER__BIND", address.to_string()),
    ];
    environment.extend(
        settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    let owned = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()));
    let config = Config::load(&path, owned)?;
    let registration = Registration::generate(&config, &mut rand::rngs::OsRng)?;
    std::fs::write(&config.appservice.registration, registration.to_yaml()?)?;
    let begun = Instant::now();
    let process = Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["run", "--config"])
        .arg(&path)
        .envs(environment)
        // A developer's wish, and an operator's seldom: each error would be paid for with a walk of
        // the stack, and with the pages of the tables that it takes.
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .spawn()?;
    let serving = Serving {
        address,
        process,
        hs_token: registration.hs_token,
        bridges: Bridges::new(&config.bridges, "@tributary:lab.local".to_owned())?,
        _folder: folder,
    };
    Ok((begun, serving))
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

/// Sends a request and reads its whole answer; returns its status.
pub(crate) fn exchange(stream: &mut TcpStream, request: &[u8]) -> anyhow::Result<u16> {
    Ok(exchange_whole(stream, request)?.0)
}

/// The same with the answer's body.
pub(crate) fn exchange_whole(
    stream: &mut TcpStream,
    request: &[u8],
) -> anyhow::Result<(u16, Vec<u8>)> {
    stream.write_all(request)?;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let length = stream.read(&mut chunk)?;
        ensure!(length > 0, "the connection was closed");
        answer.extend_from_slice(&chunk[..length]);
        let Some(head) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let (head, body) = answer.split_at(head + 4);
        let head = std::str::from_utf8(head)?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(Ok(0), str::parse)? {
            return Ok((head[9..12].parse()?, body.to_vec()));
        }
    }
}
