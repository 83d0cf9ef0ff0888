//! Two replicas on one database, each a process.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::Mutex,
};
use tributary::{
    auth::{clerk::DEVELOPMENT_ISSUER, dev},
    clock::Clock,
    stream::cursor::Cursor,
};
use uuid::Uuid;

use crate::support::{
    eventually, free_address,
    keys::{signing_key, signing_key_file},
    postgres::TestDatabase,
};

pub(super) const REPLICAS: usize = 2;
pub(super) const HS_TOKEN: &str = "the-hs-token-of-the-fleet";

pub(super) struct Fleet {
    // Held while its files are needed.
    folder: TempDir,
    addresses: Vec<SocketAddr>,
    /// The database's, in every cursor.
    epoch: Uuid,
    running: Vec<Mutex<Child>>,
    pub(super) http: reqwest::Client,
}

impl Fleet {
    pub(super) async fn start(database: &TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let addresses: Vec<_> = (0..REPLICAS).map(|_| free_address()).collect();
        let registration = json!({
            "id": "tributary", "url": "http://127.0.0.1:9", "as_token": "an-as-token",
            "hs_token": HS_TOKEN, "sender_localpart": "tributary", "rate_limited": false,
            "namespaces": {"users": [], "rooms": [], "aliases": []},
        });
        let file = folder.path().join("registration.yaml");
        std::fs::write(file, registration.to_string()).unwrap();
        for (nth, address) in addresses.iter().enumerate() {
            let config = json!({
                "server": {"bind": address, "public_url": format!("http://{address}")},
                "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
                "bridges": [{
                    "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
                    "as_token": "the-bridges-token", "ghosts": r"@facebook_(?<id>.+):lab\.local",
                }],
                "database": {"url": database.url.expose_secret()},
                "clerk": {
                    "issuer": "https://example.clerk.accounts.dev",
                    "development_key_file": signing_key_file(),
                },
                // All readers have one address, and come back as fast as they can.
                "limits": {
                    "per_ip_per_second": 100_000, "per_user_per_second": 100_000, "burst": 100_000,
                },
                "log": {"filter": "warn"},
            });
            let file = folder.path().join(format!("{nth}.yaml"));
            std::fs::write(file, config.to_string()).unwrap();
        }
        let running = (0..REPLICAS).map(|nth| Mutex::new(spawn(&folder, nth)));
        let fleet = Self {
            epoch: epoch(database).await,
            running: running.collect(),
            folder,
            addresses,
            http: reqwest::Client::new(),
        };
        for nth in 0..REPLICAS {
            fleet.ready(nth).await;
        }
        fleet
    }

    pub(super) fn address(&self, nth: usize) -> SocketAddr {
        self.addresses[nth]
    }

    /// Kills a replica with SIGKILL, and starts it again.
    pub(super) async fn kill(&self, nth: usize) {
        let mut child = self.running[nth].lock().await;
        child.kill().await.unwrap();
        *child = spawn(&self.folder, nth);
        drop(child);
        self.ready(nth).await;
    }

    async fn ready(&self, nth: usize) {
        let url = format!("http://{}/readyz", self.addresses[nth]);
        eventually("a replica is ready", async || {
            let answer = self.http.get(&url).timeout(Duration::from_secs(10)).send();
            answer.await.ok()?.status().is_success().then_some(())
        })
        .await;
    }

    /// The cursor before the first frame.
    pub(super) fn origin(&self, user_id: &str) -> String {
        Cursor::new(self.epoch, user_id, 0).to_string()
    }
}

/// A session token of a minute.
pub(super) fn token(user_id: &str) -> String {
    let now = Clock::system().now();
    let minute = TimeDelta::minutes(1);
    dev::mint(signing_key(), DEVELOPMENT_ISSUER, user_id, now, minute).unwrap()
}

fn spawn(folder: &TempDir, nth: usize) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.path().join(format!("{nth}.log")))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["run", "--config"])
        .arg(folder.path().join(format!("{nth}.yaml")))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn epoch(database: &TestDatabase) -> Uuid {
    let mut conn = database.pool().get().await.unwrap();
    tributary::db::stream::epoch(&mut conn).await.unwrap()
}
