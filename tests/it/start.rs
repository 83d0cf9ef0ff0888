//! The start of the program, when its database is not there yet.

use std::{
    net::SocketAddr,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use diesel_async::{AsyncConnection as _, SimpleAsyncConnection as _};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    time::timeout,
};
use tributary::db::Connection;
use url::Url;

use crate::support::{
    app::Answer, eventually, free_address, keys::signing_key_file, postgres::TestDatabase, within,
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

/// A way to a database that breaks, once at each of these words: the server has done what they
/// ask for, and whoever asked is not told.
struct Brittle {
    address: SocketAddr,
    left: Arc<Mutex<Vec<&'static str>>>,
}

impl Brittle {
    async fn before(database: &Url, words: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Self {
            address: listener.local_addr().unwrap(),
            left: Arc::new(Mutex::new(words.to_vec())),
        };
        let left = Arc::clone(&way.left);
        let database = (
            database.host_str().unwrap().to_owned(),
            database.port().unwrap(),
        );
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(database.clone()).await.unwrap();
                tokio::spawn(carry(client, server, Arc::clone(&left)));
            }
        });
        way
    }

    fn left(&self) -> Vec<&'static str> {
        self.left.lock().unwrap().clone()
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    left: Arc<Mutex<Vec<&'static str>>>,
) -> std::io::Result<()> {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let asked = &asked[..read?];
                if asked.is_empty() {
                    return Ok(());
                }
                server.write_all(asked).await?;
                if is_word(asked, &left) {
                    server.readable().await?;
                    return Ok(());
                }
            }
            read = server.read(&mut answered) => match read? {
                0 => return Ok(()),
                read => client.write_all(&answered[..read]).await?,
            },
        }
    }
}

/// Whether one of the words is said, which is over then.
fn is_word(said: &[u8], left: &Mutex<Vec<&'static str>>) -> bool {
    let said = String::from_utf8_lossy(said);
    let mut left = left.lock().unwrap();
    let found = left.iter().position(|word| said.contains(word));
    found.map(|found| left.remove(found)).is_some()
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

    /// Until this is in its log.
    async fn logs(&mut self, words: &str) {
        let log = self.folder.path().join("log");
        let is_said = || std::fs::read_to_string(&log).unwrap().contains(words);
        let patience = Duration::from_mins(3);
        let said = within(patience, "it says so", async || is_said().then_some(()));
        tokio::select! {
            () = said => {}
            _ = self.program.wait() => assert!(is_said(), "it has ended: {}", self.log()),
        }
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

/// The same database at another address.
fn by_way_of(address: SocketAddr, database: &Url) -> Url {
    let mut url = database.clone();
    url.set_ip_host(address.ip()).unwrap();
    url.set_port(Some(address.port())).unwrap();
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_for_the_database_and_says_so() {
    let database = TestDatabase::bare().await;
    let gate = Gate::before(&url_of(&database)).await;
    let url = by_way_of(gate.address, &url_of(&database));
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

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_off_during_the_start_is_begun_again() {
    let database = TestDatabase::bare().await;
    let words = [
        // Whether it leads through a pooler.
        "pg_backend_pid",
        "pg_try_advisory_lock",
        // Migrations: half of one, one that is through, and those that are in no transaction.
        "CREATE SCHEMA",
        "COMMIT",
        "CREATE INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY",
        // What is asked of a migrated database.
        "obj_description",
        "ended_sessions",
        "clock_timestamp",
    ];
    let way = Brittle::before(&url_of(&database), &words).await;
    let url = by_way_of(way.address, &url_of(&database));
    let mut started = Started::with(url.as_str());
    started.logs("ready bind").await;
    assert_eq!(way.left(), [""; 0]);
    started.says(200, &Value::Null).await;
    let told = started.log();
    assert!(told.contains("went away during the start"), "{told}");
    assert!(!told.contains(url.password().unwrap()), "{told}");
    assert_eq!(started.push().await.status, 200);
    assert_eq!(started.is_told_to_stop().await.code(), Some(0));
}

/// One connection is to be had, and migrations want another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_full_is_waited_for() {
    let database = TestDatabase::bare().await;
    let mut admin = Connection::establish(database.url.expose_secret())
        .await
        .unwrap();
    let role = format!("narrow_{}", tributary::model::new_id().simple());
    let make = format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'narrow' CONNECTION LIMIT 1;
         GRANT CREATE ON SCHEMA public TO {role};
         DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO {role}', current_database()); END $$"
    );
    admin.batch_execute(&make).await.unwrap();
    let mut url = url_of(&database);
    url.set_username(&role).unwrap();
    url.set_password(Some("narrow")).unwrap();
    // It is not asked how it is: that would take the one that there is.
    let mut started = Started::with(url.as_str());
    started.logs("went away during the start").await;
    let told = started.log();
    assert!(told.contains("too many connections for role"), "{told}");
    let widen = format!("ALTER ROLE {role} CONNECTION LIMIT -1");
    admin.batch_execute(&widen).await.unwrap();
    started.says(200, &Value::Null).await;
    assert_eq!(started.is_told_to_stop().await.code(), Some(0));
    let drop = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    admin.batch_execute(&drop).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_migration_is_refused_is_not_waited_for() {
    let database = TestDatabase::bare().await;
    let pool = database.pool();
    let mut admin = pool.get().await.unwrap();
    admin
        .batch_execute("CREATE SCHEMA tributary")
        .await
        .unwrap();
    let mut started = Started::with(url_of(&database).as_str());
    assert_eq!(started.ends().await.code(), Some(1));
    let told = started.log();
    assert!(told.contains("could not apply the migrations"), "{told}");
    assert!(!told.contains("during the start"), "{told}");
}
