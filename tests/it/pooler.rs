//! The whole product behind a transaction pooler, as a role that may read and write rows and
//! nothing else.

use std::{fs, process::Command, sync::Arc};

use diesel_async::{AsyncConnection as _, AsyncPgConnection, SimpleAsyncConnection as _};
use futures_util::StreamExt as _;
use reqwest::{Client, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tributary::{
    config::Config,
    db::{self, Database},
    lifecycle::{self, Urls},
};

use crate::support::{
    app::{ADMIN_KEY, HS_TOKEN, config, session},
    cluster::{Cluster, PASSWORD},
    eventually, free_address,
    pooler::Pooler,
    world::{World, count, text},
};

const OWNER: &str = "tributary_owner";
const APP: &str = "tributary_app";
const ROLES: [(&str, &str); 2] = [(OWNER, "the-owners"), (APP, "the-apps")];
const WRITERS: usize = 6;
const PUSHES: usize = 8;
const EVENTS: usize = 3;

/// A cluster with the roles of contrib/postgres, and a pooler before it.
struct Stage {
    pooler: Pooler,
    cluster: Cluster,
}

impl Stage {
    async fn new() -> Self {
        let cluster = Cluster::start(|_| {}, &[]).await;
        let made = Command::new("psql")
            .arg(cluster.admin("127.0.0.1", "postgres"))
            .args(["-qX", "-v", "ON_ERROR_STOP=1"])
            .args(ROLES.map(|(role, password)| {
                let name = role.trim_start_matches("tributary_");
                format!("-v{name}_password={password}")
            }))
            .args(["-f", "contrib/postgres/roles.sql"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let pooler = Pooler::before(&cluster, &ROLES).await;
        Self { pooler, cluster }
    }

    fn urls(&self) -> Urls {
        Urls {
            pooled: url(APP, self.pooler.port),
            direct: url(OWNER, self.cluster.port),
        }
    }

    /// Sees everything.
    fn admin(&self) -> Database {
        Database::new(&self.cluster.url(""), 1).unwrap()
    }
}

fn url(role: &str, port: u16) -> SecretString {
    let (_, password) = ROLES.into_iter().find(|(name, _)| *name == role).unwrap();
    format!("postgres://{role}:{password}@127.0.0.1:{port}/postgres").into()
}

/// A Tributary that serves.
struct Running {
    base: String,
    stop: CancellationToken,
    serving: JoinHandle<anyhow::Result<()>>,
    http: Client,
    _place: TempDir,
}

impl Running {
    async fn start(stage: &Stage) -> Self {
        let place = tempfile::tempdir().unwrap();
        let config = configuration(stage, &place);
        let base = format!("http://{}", config.server.bind);
        let stop = CancellationToken::new();
        let running = Self {
            serving: tokio::spawn(lifecycle::serve(config, stage.urls(), stop.clone())),
            base,
            stop,
            http: Client::new(),
            _place: place,
        };
        eventually("it is ready", async || {
            assert!(!running.serving.is_finished(), "it does not start");
            let url = format!("{}/readyz", running.base);
            let answer = running.http.get(url).send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await;
        running
    }

    async fn conversations(&self) -> Value {
        let url = format!("{}/api/conversations", self.base);
        let request = self.http.get(url).bearer_auth(session("user_alice"));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    async fn push(&self, id: &str, events: Vec<Value>) {
        let url = format!("{}/_matrix/app/v1/transactions/{id}", self.base);
        let request = self.http.put(url).bearer_auth(HS_TOKEN);
        let body = json!({"events": events}).to_string();
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.text().await);
    }

    async fn end(self) {
        self.stop.cancel();
        self.serving.await.unwrap().unwrap();
    }
}

fn configuration(stage: &Stage, place: &TempDir) -> Config {
    let registration = place.path().join("registration.yaml");
    let yaml = json!({
        "id": "tributary", "url": null, "as_token": "the-as-token", "hs_token": HS_TOKEN,
        "sender_localpart": "tributary", "namespaces": {},
    });
    fs::write(&registration, yaml.to_string()).unwrap();
    let mut config = config();
    config.appservice.registration = registration;
    config.server.bind = free_address();
    config.media.store = format!("file:{}", place.path().join("media").display());
    config.database.direct_url = Some(url(OWNER, stage.cluster.port));
    config
}

/// What everybody does at once: pushes and reads.
async fn load(running: &Arc<Running>, round: &str) {
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (running, round) = (Arc::clone(running), round.to_owned());
        tasks.spawn(async move {
            for push in 0..PUSHES {
                let id = format!("{round}-{writer}-{push}");
                let room = format!("!{writer}");
                let ghost = format!("@facebook_200{writer}:lab.local");
                let event = |i| text(&room, &format!("${id}-{i}"), &ghost, "hi");
                running.push(&id, (0..EVENTS).map(event).collect()).await;
                let list = running.conversations().await;
                assert_eq!(list["items"].as_array().unwrap().len(), WRITERS);
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_through_a_pooler_and_with_the_rights_to_rows_alone() {
    let stage = Stage::new().await;
    let running = Arc::new(Running::start(&stage).await);
    let urls = stage.urls();
    let world = World::on(Database::behind_pooler(&urls.pooled, 4).unwrap());
    let alice = world.customer("alice", "1001").await;
    for writer in 0..WRITERS {
        let (room, ghost) = (format!("!{writer}"), format!("200{writer}"));
        world.direct(&room, &alice, "1001", &ghost).await;
    }

    let list = running.conversations().await;
    let cursor = list["cursor"].as_str().unwrap();
    let url = format!(
        "{}/ws?since={cursor}&token={}",
        running.base,
        session("user_alice")
    );
    let socket = tokio_tungstenite::connect_async(url.replace("http", "ws")).await;
    let (mut socket, _) = socket.unwrap();

    load(&running, "first").await;
    // The next program finds the sessions of the last one, with what that left in them.
    let all = WRITERS * PUSHES * EVENTS;
    let mut created = 0;
    while created < all {
        let frame = socket.next().await.unwrap().unwrap().into_text().unwrap();
        created += usize::from(frame.contains("\"message.created\""));
    }

    running
        .push(
            "stranger",
            vec![text("!unknown", "$u", "@x:lab.local", "hi")],
        )
        .await;
    let backfill = running
        .http
        .post(format!("{}/api/admin/backfill", running.base));
    let backfill = backfill
        .bearer_auth(ADMIN_KEY)
        .json(&json!({"roomId": "!0"}));
    assert_eq!(
        backfill.send().await.unwrap().status(),
        StatusCode::ACCEPTED
    );
    let admin = stage.admin();
    let tried = "SELECT count(*) FROM tributary.jobs
                 WHERE kind IN ('discover', 'backfill') AND state = 'waiting' AND error IS NOT NULL";
    eventually("jobs wait for the homeserver", async || {
        (count(&admin, tried).await >= 2).then_some(())
    })
    .await;
    let listening = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = '{OWNER}' AND query LIKE 'LISTEN%'"
    );
    eventually("one session listens", async || {
        (count(&admin, &listening).await == 1).then_some(())
    })
    .await;
    drop(socket);
    Arc::into_inner(running).unwrap().end().await;

    let running = Arc::new(Running::start(&stage).await);
    load(&running, "second").await;
    Arc::into_inner(running).unwrap().end().await;
    let stored = "SELECT count(*) FROM tributary.messages";
    assert_eq!(count(&admin, stored).await, i64::try_from(2 * all).unwrap());
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";
    // A session that was given up a moment ago may still be ending.
    eventually("somebody keeps a lock", async || {
        (count(&admin, held).await == 0).then_some(())
    })
    .await;
    let log = fs::read_to_string(stage.cluster.path("log")).unwrap();
    assert!(!log.contains("prepared statement"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_the_application_changes_rows_and_no_tables() {
    let stage = Stage::new().await;
    let urls = stage.urls();
    db::migrate(&urls.direct).await.unwrap();
    let direct = url(APP, stage.cluster.port);
    let mut conn = AsyncPgConnection::establish(secrecy::ExposeSecret::expose_secret(&direct))
        .await
        .unwrap();
    for statement in [
        "CREATE TABLE tributary.t ()",
        "CREATE TABLE public.t ()",
        "ALTER TABLE tributary.messages ADD COLUMN c int",
        "DROP TABLE tributary.messages",
        "TRUNCATE tributary.messages",
        "ALTER TABLE tributary.messages DISABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON tributary.messages",
        "CREATE SCHEMA s",
        "CREATE ROLE r",
    ] {
        let refused = conn.batch_execute(statement).await.unwrap_err().to_string();
        let is_refused = refused.contains("permission denied") || refused.contains("must be owner");
        assert!(is_refused, "{statement}: {refused}");
    }
    let pool = Database::new(&direct, 1).unwrap();
    let mut conn = pool.get().await.unwrap();
    assert!(db::migrate::is_current(&mut conn).await.unwrap());
    // It sees what the owner has put in: row level security would hide it.
    assert_eq!(
        count(
            &stage.admin(),
            "SELECT count(*) FROM tributary.installation"
        )
        .await,
        1
    );
    db::stream::epoch(&mut conn).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgets_the_url_around_the_pooler_is_told() {
    let stage = Stage::new().await;
    let through = url(OWNER, stage.pooler.port);
    let refused = format!("{:#}", db::migrate(&through).await.unwrap_err());
    assert!(refused.contains("database.direct_url"), "{refused}");
    assert!(!refused.contains("the-owners") && !refused.contains(PASSWORD));
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'tributary'";
    assert_eq!(count(&stage.admin(), made).await, 0);
}
