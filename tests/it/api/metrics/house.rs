//! The program itself, with a homeserver and a bridge beside it, and what it counts.

use std::{collections::BTreeMap, net::SocketAddr, process::Stdio, time::Duration};

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};
use tributary::clock::Clock;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path, path_regex, query_param},
};

use crate::support::{
    app::Answer,
    eventually, free_address,
    keys::signing_key_file,
    postgres::TestDatabase,
    world::{Customer, World},
};

pub(crate) const HS_TOKEN: &str = "the-homeservers-token";
pub(crate) const ADMIN_KEY: &str = "the-operators-key";
const LOG: &str = "program.log";
pub(crate) const ROOM: &str = "!room:lab.local";
pub(crate) const FRIEND: &str = "@facebook_2001:lab.local";

/// A running program, a customer and a direct chat.
pub(crate) struct House {
    pub(crate) database: TestDatabase,
    pub(crate) alice: Customer,
    pub(crate) http: reqwest::Client,
    address: SocketAddr,
    operators: Option<SocketAddr>,
    _outside: MockServer,
    folder: TempDir,
    _program: Child,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::start(None).await
    }

    pub(crate) async fn with_operators_door() -> Self {
        Self::start(Some(free_address())).await
    }

    async fn start(operators: Option<SocketAddr>) -> Self {
        let database = TestDatabase::new().await;
        let world = World::on(database.pool());
        let alice = world.customer("alice", "1001").await;
        world.direct(ROOM, &alice, "1001", "2001").await;
        let outside = outside().await;
        let (address, folder) = (free_address(), tempfile::tempdir().unwrap());
        let write = |name: &str, content: Value| {
            std::fs::write(folder.path().join(name), content.to_string()).unwrap();
        };
        write("registration.yaml", registration());
        let settings = config(address, operators, &database, &outside.uri());
        write("config.yaml", settings);
        let house = Self {
            _program: spawn(&folder),
            database,
            alice,
            http: reqwest::Client::new(),
            address,
            operators,
            _outside: outside,
            folder,
        };
        eventually("the program is ready", async || {
            let url = format!("http://{address}/readyz");
            let answer = house.http.get(url).timeout(Duration::from_secs(10)).send();
            answer.await.ok()?.status().is_success().then_some(())
        })
        .await;
        house
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn at(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path))).await
    }

    pub(crate) async fn at_operators(&self, path: &str) -> Answer {
        let url = format!("http://{}{path}", self.operators.unwrap());
        Answer::of(self.http.get(url)).await
    }

    /// Pushes a body as the homeserver does; the status of the answer.
    pub(crate) async fn push(&self, transaction_id: &str, body: String) -> u16 {
        let path = format!("/_matrix/app/v1/transactions/{transaction_id}");
        let request = self.http.put(self.url(&path)).bearer_auth(HS_TOKEN);
        Answer::of(request.body(body)).await.status
    }

    /// What the program has logged.
    pub(crate) fn log(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap();
        // The last one may not be written to its end.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let line = |line| serde_json::from_str(line).expect(line);
        whole.lines().map(line).collect()
    }

    /// A scrape in which all of the first are more than they were, and of the second than nothing.
    pub(crate) async fn once_moved(
        &self,
        before: &Scrape,
        moved: &[&str],
        there: &[&str],
    ) -> Scrape {
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let scrape = self.scrape().await;
            let still = |name: &&&str| scrape.of(name) <= before.of(name);
            let missing = |name: &&&str| scrape.of(name) <= 0.0;
            let still: Vec<_> = moved.iter().filter(still).collect();
            let missing: Vec<_> = there.iter().filter(missing).collect();
            if still.is_empty() && missing.is_empty() {
                return scrape;
            }
            let in_time = Instant::now() < deadline;
            assert!(in_time, "not moved: {still:?}, not there: {missing:?}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn scrape(&self) -> Scrape {
        let answer = self.at("/metrics").await;
        assert_eq!(answer.status, 200);
        Scrape::parse(answer.text)
    }
}

/// What a scrape brought.
pub(crate) struct Scrape {
    pub(crate) text: String,
    /// By name and labels.
    pub(crate) series: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) fn parse(text: String) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = lines.filter(|line| !line.is_empty()).map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Self {
            series: series.collect(),
            text,
        }
    }

    /// The sum of the series that begin so.
    pub(crate) fn of(&self, prefix: &str) -> f64 {
        let of_it = self.series.iter().filter(|(name, _)| {
            let rest = name.strip_prefix(prefix);
            rest.is_some_and(|rest| {
                prefix.contains('{') || rest.is_empty() || rest.starts_with('{')
            })
        });
        of_it.map(|(_, value)| value).sum()
    }
}

fn registration() -> Value {
    json!({
        "id": "tributary", "url": "http://127.0.0.1:9", "as_token": "an-as-token",
        "hs_token": HS_TOKEN, "sender_localpart": "tributary", "rate_limited": false,
        "namespaces": {"users": [], "rooms": [], "aliases": []},
    })
}

fn config(
    address: SocketAddr,
    operators: Option<SocketAddr>,
    database: &TestDatabase,
    outside: &str,
) -> Value {
    json!({
        "server": {
            "bind": address, "public_url": format!("http://{address}"), "operator_bind": operators,
        },
        "homeserver": {"url": outside, "server_name": "lab.local"},
        "bridges": [{
            "id": "meta", "network": "facebook", "bot": "@facebookbot:lab.local",
            "as_token": "the-bridges-token", "ghosts": r"@facebook_(?<id>.+):lab\.local",
            "provisioning_url": outside, "provisioning_secret": "the-provisioning-secret",
        }],
        "database": {"url": database.url.expose_secret()},
        "clerk": {"development_key_file": signing_key_file()},
        "admin": {"api_key": ADMIN_KEY},
        "limits": crate::support::generous_limits(),
        "log": {"format": "json", "filter": "info"},
    })
}

/// A homeserver and a bridge in one, of few words: a page of history, a file, a login.
async fn outside() -> MockServer {
    let server = MockServer::start().await;
    // Reconciling and backfill ask for pages of other sizes, and get what nobody pushed.
    for (limit, id) in [("50", "$never-pushed"), ("500", "$from-before")] {
        let at = Clock::system().now().timestamp_millis() - 3_600_000;
        let history = json!({"start": "s", "chunk": [{
            "type": "m.room.message", "room_id": ROOM, "event_id": id, "sender": FRIEND,
            "origin_server_ts": at, "content": {"msgtype": "m.text", "body": "from before"},
        }]});
        let mock = Mock::given(path_regex("/messages$")).and(query_param("limit", limit));
        let answer = ResponseTemplate::new(200).set_body_json(history);
        mock.respond_with(answer).mount(&server).await;
    }
    let file = ResponseTemplate::new(200)
        .set_body_raw(b"\xff\xd8\xff\xe0 a picture".to_vec(), "image/jpeg");
    for (pattern, answer) in [
        ("/media/download/", file),
        (
            "/state$",
            ResponseTemplate::new(200).set_body_json(json!([])),
        ),
        (
            "/joined_rooms$",
            ResponseTemplate::new(200).set_body_json(json!({"joined_rooms": []})),
        ),
        (
            "/ping$",
            ResponseTemplate::new(200).set_body_json(json!({"duration_ms": 1})),
        ),
    ] {
        let mock = Mock::given(path_regex(pattern));
        mock.respond_with(answer).mount(&server).await;
    }
    let logins =
        json!({"logins": [{"id": "1001", "name": "Alice", "state": {"state_event": "CONNECTED"}}]});
    for (place, answer) in [
        ("/_matrix/client/versions", json!({"versions": ["v1.11"]})),
        ("/_matrix/provision/v3/whoami", logins),
    ] {
        let mock = Mock::given(method("GET")).and(path(place));
        let answer = ResponseTemplate::new(200).set_body_json(answer);
        mock.respond_with(answer).mount(&server).await;
    }
    server
}

fn spawn(folder: &TempDir) -> Child {
    let log = std::fs::File::create(folder.path().join(LOG)).unwrap();
    Command::new(env!("CARGO_BIN_EXE_tributary"))
        .args(["run", "--config"])
        .arg(folder.path().join("config.yaml"))
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
