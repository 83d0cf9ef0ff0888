//! The start of the program, when its database is not there yet.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::timeout,
};
use url::Url;

use crate::support::{
    app::Answer, eventually, free_address, keys::signing_key_file, postgres::TestDatabase,
};

const HS_TOKEN: &str = "the-homeservers-token";

/// What is at the database's address: nobody, and later the database.
struct Gate {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
    turned_away: Arc<AtomicUsize>,
}

impl Gate {
    async fn before(database: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            is_open: Arc::default(),
            turned_away: Arc::default(),
        };
        let (is_open, turned_away) = (Arc::clone(&gate.is_open), Arc::clone(&gate.turned_away));
        let database = (
            database.host_str().unwrap().to_owned(),
            database.port().unwrap(),
        );
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                if !is_open.load(Ordering::SeqCst) {
                    // What is not read would be answered with a reset, or not.
                    let _ = client.read(&mut [0; 1024]).await;
                    turned_away.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let mut server = TcpStream::connect(database.clone()).await.unwrap();
                tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
            }
        });
        gate
    }
}

/// A program that has just been started.
struct Started {
    folder: TempDir,
    address: SocketAddr,
    program: Child,
}

impl Started {
    fn with(database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let write = |name: &str, content: Value| {
            std::fs::write(folder.path().join(name), content.to_string()).unwrap();
        };
        write(
            "registration.yaml",
            json!({
                "id": "tributary", "url": "http://127.0.0.1:9", "as_token": "an-as-token",
                "hs_token": HS_TOKEN, "sender_localpart": "tributary", "rate_limited": false,
                "namespaces": {"users": [], "rooms": [], "aliases": []},
            }),
        );
        write(
            "config.yaml",
            json!({
                "server": {"bind": address, "public_url": format!("http://{address}")},
                "homeserver": {"url": "http://127.0.0.1:9", "server_name": "lab.local"},
                "bridges": [{
                    "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
                    "as_token": "the-bridges-token", "ghosts": r"@facebook_(?<id>.+):lab\.local",
                }],
                "database": {"url": database},
                "clerk": {"development_key_file": signing_key_file()},
            }),
        );
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let program = Command::new(env!("CARGO_BIN_EXE_tributary"))
            .args(["run", "--config"])
            .arg(folder.path().join("config.yaml"))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self {
            folder,
            address,
            program,
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    async fn at(&self, path: &str) -> Option<Answer> {
        let url = format!("http://{}{path}", self.address);
        let answer = reqwest::Client::new().get(url).send().await.ok()?;
        Some(Answer::from(answer).await)
    }

    async fn push(&self) -> Answer {
        let path = "_matrix/app/v1/transactions/1";
        let request = reqwest::Client::new().put(format!("http://{}/{path}", self.address));
        Answer::of(request.bearer_auth(HS_TOKEN).body(r#"{"events": []}"#)).await
    }

    /// Until it answers like this to `/readyz`.
    async fn says(&self, status: u16, reason: &Value) {
        eventually("it says how it is", async || {
            let answer = self.at("/readyz").await?;
            let is_it = answer.status == status && answer.json()["reason"] == *reason;
            is_it.then_some(())
        })
        .await;
    }

    async fn ends(&mut self) -> ExitStatus {
        let ended = timeout(Duration::from_mins(1), self.program.wait()).await;
        ended.expect("it ends").unwrap()
    }

    async fn is_told_to_stop(&mut self) -> ExitStatus {
        let id = self.program.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.unwrap().success());
        self.ends().await
    }
}

fn url_of(database: &TestDatabase) -> Url {
    database.url.expose_secret().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_database_and_says_so() {
    let database = TestDatabase::bare().await;
    let mut url = url_of(&database);
    let gate = Gate::before(&url).await;
    url.set_ip_host(gate.address.ip()).unwrap();
    url.set_port(Some(gate.address.port())).unwrap();
    let mut started = Started::with(url.as_str());
    started.says(503, &json!("database")).await;
    for (path, status) in [("/livez", 200), ("/healthz", 503), ("/metrics", 200)] {
        assert_eq!(started.at(path).await.unwrap().status, status, "{path}");
    }
    assert_eq!(
        started.at("/api/conversations").await.unwrap().json()["code"],
        "unavailable"
    );
    let refused = started.push().await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert!(refused.header("x-request-id").is_some());
    eventually("it has tried a few times", async || {
        (gate.turned_away.load(Ordering::SeqCst) > 8).then_some(())
    })
    .await;
    let told = started.log();
    assert_eq!(told.matches("waiting: ").count(), 1, "{told}");
    assert!(!told.contains(url.password().unwrap()));

    gate.is_open.store(true, Ordering::SeqCst);
    started.says(200, &Value::Null).await;
    assert_eq!(started.push().await.status, 200);
    assert!(started.log().contains("the database is there"));
    assert_eq!(started.is_told_to_stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_waits_stops_when_it_is_told_to() {
    let nowhere = format!("postgres://somebody@{}/nowhere", free_address());
    let mut started = Started::with(&nowhere);
    started.says(503, &json!("database")).await;
    assert_eq!(started.is_told_to_stop().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_is_not_waited_for() {
    let database = TestDatabase::bare().await;
    let (mut nameless, mut strange) = (url_of(&database), url_of(&database));
    nameless.set_path("no_database_of_this_name");
    strange.set_password(Some("not-the-password")).unwrap();
    for url in [nameless, strange] {
        let mut started = Started::with(url.as_str());
        assert_eq!(started.ends().await.code(), Some(1));
        let told = started.log();
        assert!(told.contains("database.url: could not connect"), "{told}");
        assert!(!told.contains(url.password().unwrap()), "{told}");
    }
}
