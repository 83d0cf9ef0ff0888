//! The program itself, in a process of its own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tributary::{auth::dev, clock::Clock, config::Config, matrix::registration::Registration};

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
limits: { per_ip_per_second: 100000, per_user_per_second: 100000, burst: 100000 }
log: { filter: warn }
"#;

/// A serving Tributary.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Serving {
    /// Serves what is in the database.
    pub(crate) fn start(url: &SecretString) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, CONFIG)?;
        let environment = [
            ("BENCH_DATABASE_URL", url.expose_secret().to_owned()),
            ("BENCH_KEY", PUBLIC_KEY.to_owned()),
            ("TRIBUTARY__SERVER__BIND", address.to_string()),
        ];
        let owned = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let config = Config::load(&path, owned)?;
        let registration = Registration::generate(&config, &mut rand::rngs::OsRng)?;
        std::fs::write(&config.appservice.registration, registration.to_yaml()?)?;
        let process = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(["run", "--config"])
            .arg(&path)
            .envs(environment)
            .stdin(Stdio::null())
            .spawn()?;
        let mut serving = Self {
            address,
            process,
            _folder: folder,
        };
        serving.until_it_listens()?;
        Ok(serving)
    }

    fn until_it_listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if let Some(ended) = self.process.try_wait()? {
                bail!("it ended with {ended}");
            }
            ensure!(Instant::now() < deadline, "it does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Nothing to do for one that has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A session token of a user, longer than a case takes.
pub(crate) fn session(user_id: &str) -> anyhow::Result<String> {
    let key = SecretString::from(KEY);
    let (now, lifetime) = (Clock::system().now(), TimeDelta::minutes(10));
    Ok(dev::mint(&key, ISSUER, user_id, now, lifetime)?)
}
