//! The program itself beside a hostile homeserver, and how it fares.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::StreamExt as _;
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

use super::homeserver::Homeserver;
use crate::support::{
    app::{Answer, session},
    free_address,
    keys::signing_key_file,
    postgres::TestDatabase,
    within,
    world::{Customer, World, text},
};

pub(super) const HS_TOKEN: &str = "the-homeservers-token";
pub(super) const AS_TOKEN: &str = "the-application-services-token";
pub(super) const ADMIN_KEY: &str = "the-operators-key";
/// What every hostile body says, so that it is found where it must not be.
pub(super) const SECRET: &str = "velociraptor";
const ROOM: &str = "!room:lab.local";
const FRIEND: &str = "@facebook_2001:lab.local";
/// In which everybody else is served, on a machine that is busy with the attack.
const IN_TIME: Duration = Duration::from_mins(1);
/// Until somebody whose connection was reset tries again.
const AGAIN: Duration = Duration::from_millis(50);
/// Descriptors that come and go by themselves: the pool's, the homeserver's.
const SLACK: usize = 24;

/// What one costs is measured, and in which time others are served.
static ALONE: Semaphore = Semaphore::const_new(1);

/// A running program, a customer and a direct chat.
pub(super) struct House {
    pub(super) world: World,
    pub(super) alice: Customer,
    pub(super) homeserver: Homeserver,
    pub(super) address: SocketAddr,
    // Below the world, whose pool closes first.
    _database: TestDatabase,
    /// Without connections in reserve, so that each request has to get in.
    http: reqwest::Client,
    folder: TempDir,
    program: Child,
    pushed: AtomicUsize,
    began: Instant,
    before: Vitals,
    _alone: SemaphorePermit<'static>,
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vitals {
    /// Resident now, in KiB.
    pub(super) resident: usize,
    /// Resident at most since it began, in KiB.
    pub(super) peak: usize,
    pub(super) descriptors: usize,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(4_096).await
    }

    /// One that has so many descriptors at most. There is one house at a time.
    pub(super) async fn with(descriptors: usize) -> Self {
        let alone = ALONE.acquire().await.unwrap();
        let database = TestDatabase::new().await;
        let world = World::on(database.pool());
        let alice = world.customer("alice", "1001").await;
        world.direct(ROOM, &alice, "1001", "2001").await;
        let homeserver = Homeserver::start().await;
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let write = |name: &str, content: Value| {
            std::fs::write(folder.path().join(name), content.to_string()).unwrap();
        };
        write("registration.yaml", registration());
        write("config.yaml", config(address, &database, &homeserver));
        let program = spawn(&folder, descriptors);
        let http = reqwest::Client::builder().pool_max_idle_per_host(0);
        let mut house = Self {
            before: vitals(&program),
            _alone: alone,
            world,
            alice,
            homeserver,
            address,
            _database: database,
            http: http.build().unwrap(),
            folder,
            program,
            pushed: AtomicUsize::new(0),
            began: Instant::now(),
        };
        within(IN_TIME, "the program is ready", async || {
            let request = house.request(Method::GET, "/readyz");
            let answer = request.timeout(Duration::from_secs(10)).send();
            answer.await.ok()?.status().is_success().then_some(())
        })
        .await;
        house.serves().await;
        house.before = house.vitals();
        house
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.request(method, url)
    }

    pub(super) fn as_operator(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).bearer_auth(ADMIN_KEY)
    }

    /// An endpoint of the homeserver's, and a transaction that nobody else pushes.
    pub(super) fn transaction(&self) -> String {
        let nth = self.pushed.fetch_add(1, Ordering::Relaxed);
        format!("/_matrix/app/v1/transactions/{nth}")
    }

    /// Pushes a message over a connection of its own, gets its frame, and finds it on a page.
    /// Each asks as often as it has to, as they all do: the kernel resets what a flood keeps
    /// waiting, and Postgres may be slow on a machine that is busy.
    pub(super) async fn serves(&self) {
        let served = async {
            let mut socket = self.socket().await;
            let path = self.transaction();
            let id = format!("$honest{}", path.rsplit('/').next().unwrap());
            let events = json!({"events": [text(ROOM, &id, FRIEND, SECRET)]});
            let push = self.request(Method::PUT, &path).bearer_auth(HS_TOKEN);
            assert_eq!(answered(push.json(&events)).await.0, 200);
            let frame = loop {
                let frame = next(&mut socket).await;
                // Others may be pushed meanwhile.
                if frame["data"]["message"]["matrixEventId"] == id {
                    break frame["data"].clone();
                }
            };
            let conversation = frame["conversationId"].as_str().unwrap();
            let path = format!("/api/conversations/{conversation}/messages");
            let page = self.request(Method::GET, &path);
            let page = page.bearer_auth(session(&self.alice.user_id));
            let (status, page) = answered(page).await;
            assert_eq!(status, 200, "{page}");
            let mut items = page["items"].as_array().unwrap().iter();
            assert!(items.any(|item| item["matrixEventId"] == id), "{page}");
        };
        timeout(IN_TIME, served).await.expect("others are served");
    }

    async fn socket(&self) -> WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>> {
        let url = format!("ws://{}/ws", self.address);
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {}", session(&self.alice.user_id));
        let headers = request.headers_mut();
        headers.insert("authorization", bearer.parse().unwrap());
        let mut socket = loop {
            match connect_async(request.clone()).await {
                Ok((socket, _)) => break socket,
                Err(Error::Io(_) | Error::Protocol(_)) => {}
                Err(Error::Http(answer)) if answer.status() == 503 => {}
                Err(error) => panic!("{error}"),
            }
            sleep(AGAIN).await;
        };
        while next(&mut socket).await["type"] != "live" {}
        socket
    }

    pub(super) fn vitals(&self) -> Vitals {
        vitals(&self.program)
    }

    /// Has taken at most so many MiB beyond what it had.
    #[expect(clippy::print_stdout, reason = "figures for whoever runs it")]
    pub(super) fn took(&self, what: &str, at_most_mib: usize) {
        let (before, now) = (self.before.resident >> 10, self.vitals());
        let peak = now.peak >> 10;
        let resident = now.resident >> 10;
        println!("{what}: {before} MiB before, {peak} at most, {resident} now");
        let took = peak.saturating_sub(before);
        assert!(took <= at_most_mib, "{what} took {took} MiB");
    }

    /// Serves others, has its descriptors back, and has logged at most so many lines since
    /// it began, but for what was slow, none of which tells a secret.
    pub(super) async fn is_well(&self, lines: usize) {
        self.serves().await;
        self.has_its_descriptors().await;
        let log = self.log();
        // What is slow on a machine that is busy has lines of its own, those of requests five in
        // ten seconds at most.
        let (slow, named): (Vec<_>, Vec<_>) =
            log.lines().partition(|line| line.contains("\"a slow "));
        let named = named.len();
        assert!(named <= lines, "{named} lines of {lines}:\n{log}");
        let requests = slow.iter().filter(|line| line.contains("a slow request"));
        let windows = usize::try_from(self.began.elapsed().as_secs() / 10).unwrap() + 1;
        assert!(requests.count() <= 5 * windows, "{log}");
        for secret in [SECRET, HS_TOKEN, AS_TOKEN, ADMIN_KEY, "eyJ"] {
            assert!(!log.contains(secret), "{secret} in\n{log}");
        }
        assert!(!log.contains("panic"), "{log}");
    }

    /// A count of its metrics.
    pub(super) async fn metric(&self, name: &str) -> u64 {
        let answer = Answer::of(self.request(Method::GET, "/metrics")).await;
        let line = answer.text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split(' ').nth(1));
        value.expect(name).parse().unwrap()
    }

    /// So many descriptors are in use, or soon are; how many then.
    pub(super) async fn holds(&self, least: usize) -> usize {
        within(IN_TIME, "connections are held", async || {
            Some(self.vitals().descriptors).filter(|held| *held >= least)
        })
        .await
    }

    /// All connections are gone, or soon are.
    pub(super) async fn has_its_descriptors(&self) {
        let most = self.before.descriptors + SLACK;
        within(IN_TIME, "descriptors come back", async || {
            (self.vitals().descriptors <= most).then_some(())
        })
        .await;
    }

    /// What the program has logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// How many lines say so.
    pub(super) fn told(&self, message: &str) -> usize {
        let log = self.log();
        log.lines().filter(|line| line.contains(message)).count()
    }
}

/// Status and JSON of an answer.
async fn answered(request: RequestBuilder) -> (u16, Value) {
    loop {
        let Ok(answer) = request.try_clone().unwrap().send().await else {
            sleep(AGAIN).await;
            continue;
        };
        let status = answer.status().as_u16();
        match answer.json().await {
            Ok(json) if status != 503 => return (status, json),
            _ => sleep(AGAIN).await,
        }
    }
}

/// The next frame.
async fn next(socket: &mut WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>) -> Value {
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

fn vitals(program: &Child) -> Vitals {
    let process = format!("/proc/{}", program.id().unwrap());
    let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
    let kib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_whitespace().nth(1));
        value.map_or(0, |value| value.parse().unwrap())
    };
    Vitals {
        resident: kib("VmRSS:"),
        peak: kib("VmHWM:"),
        descriptors: std::fs::read_dir(format!("{process}/fd")).unwrap().count(),
    }
}

fn registration() -> Value {
    json!({
        "id": "tributary", "url": "http://127.0.0.1:9", "as_token": AS_TOKEN,
        "hs_token": HS_TOKEN, "sender_localpart": "tributary", "rate_limited": false,
        "namespaces": {"users": [], "rooms": [], "aliases": []},
    })
}

fn config(address: SocketAddr, database: &TestDatabase, homeserver: &Homeserver) -> Value {
    json!({
        "server": {"bind": address, "public_url": format!("http://{address}")},
        "homeserver": {"url": homeserver.url(), "server_name": "lab.local"},
        "bridges": [{
            "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
            "ghosts": r"@facebook_(?<id>.+):lab\.local",
        }],
        "database": {"url": database.url.expose_secret()},
        "clerk": {"development_key_file": signing_key_file()},
        "admin": {"api_key": ADMIN_KEY},
        "limits": {
            "per_ip_per_second": 100_000, "per_user_per_second": 100_000, "burst": 100_000,
            "sockets_per_user": 100,
        },
        "log": {"format": "json", "filter": "info"},
    })
}

fn spawn(folder: &TempDir, descriptors: usize) -> Child {
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    Command::new("sh")
        .args(["-c", r#"ulimit -n "$0" && exec "$@""#])
        .arg(descriptors.to_string())
        .args([env!("CARGO_BIN_EXE_tributary"), "run", "--config"])
        .arg(folder.path().join("config.yaml"))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
